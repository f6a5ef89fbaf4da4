"""Activations and gradients of ten layers at their start: the lecture's slides on weight
initialization.

    ./launch.sh study --config=experiments/studies/activation_statistics.py \\
        --workdir=runs/activations

Ten layers of 500 units: tanh under 0.01 randn, 1.0 randn and Xavier's; ReLU under Xavier's and
He's.
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    smoke = parse_arg(arg, smoke=False).smoke
    return study("activation_statistics", seeds=2 if smoke else 10)
