"""Claims that are advice or describe the lecture itself."""

from cnn_history.lecture.claim import ADVICE, Finding, slide


def advice(remark: str) -> Finding:
    """Return a finding without a value."""
    return Finding("", True, remark)


CLAIMS = (
    *slide(
        "In practice",
        ("C155", "Adam good default; SGD+momentum often outperforms with tuning", ADVICE, advice,
         "It depends on the problem and on the effort spent on tuning both."),
    ),
    *slide(
        "Title",
        ("C156", "'From LeNet to ResNet', part 2", ADVICE, advice,
         "The slides end at L-BFGS; ResNet, He's initialization and K-FAC are from the papers."),
    ),
)  # fmt: skip
