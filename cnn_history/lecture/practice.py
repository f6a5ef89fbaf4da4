"""What is advice, and what the lecture is."""

from cnn_history.lecture.claim import ADVICE, Claim, Found, slide


def claims() -> tuple[Claim, ...]:
    """The claims."""
    return (
        *slide(
            "In practice",
            (
                "C155",
                "Adam good default; SGD+momentum often outperforms with tuning",
                ADVICE,
                advice,
                "It depends on the problem, and on how long both are tuned.",
            ),
        ),
        *slide(
            "Title",
            (
                "C156",
                "'From LeNet to ResNet', part 2",
                ADVICE,
                advice,
                "The slides end at L-BFGS; ResNet, He's initialization and K-FAC are from the "
                "papers.",
            ),
        ),
    )


def advice(remark: str) -> Found:
    """Nothing to compute."""
    return Found("", True, remark)
