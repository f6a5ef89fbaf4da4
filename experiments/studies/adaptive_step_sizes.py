"""How far AdaGrad, RMSProp and both Adams step: at first, after a long time, along two axes.

    ./launch.sh study --config=experiments/studies/adaptive_step_sizes.py \\
        --workdir=runs/adaptive_step_sizes

Under a constant gradient, where the lecture's numbers can be read off (1/sqrt(t), 3.16), and on a
quadratic that is a hundred times as steep along one axis as along the other.
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    smoke = parse_arg(arg, smoke=False).smoke
    return study(
        "adaptive_step_sizes",
        steps=200 if smoke else 10_000,
        seeds=3 if smoke else 20,
    )
