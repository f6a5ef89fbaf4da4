"""Very high, high, good and low learning rates, and the lecture's decays.

    ./launch.sh study --config=experiments/studies/learning_rate.py --workdir=runs/learning_rate

A net of two hidden layers on the embedded digits, by momentum: constant rates, and the high one
with step decay, exponential decay and 1/t.
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    smoke = parse_arg(arg, smoke=False).smoke
    return study(
        "learning_rate",
        steps=80 if smoke else 4000,
        batch_size=32,
        seeds=2 if smoke else 10,
    )
