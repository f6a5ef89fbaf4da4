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
                "It depends on the problem; the study in_practice compares them on one.",
            ),
        ),
        *slide(
            "Title",
            (
                "C156",
                "'From LeNet to ResNet', part 2",
                ADVICE,
                advice,
                "The slides end at L-BFGS: ResNet, He's initialization, K-FAC, ensembles and crops "
                "are from the papers here.",
            ),
        ),
    )


def advice(remark: str) -> Found:
    """Nothing to compute."""
    return Found("", True, remark)
