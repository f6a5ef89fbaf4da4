"""Why W = c cannot learn: the lecture's first question on weight initialization.

    ./launch.sh study --config=experiments/studies/constant_initialization.py \\
        --workdir=runs/constant

One hidden layer of 20 tanh units on the embedded digits, from three constants and two random
starts.
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    smoke = parse_arg(arg, smoke=False).smoke
    return study(
        "constant_initialization",
        steps=20 if smoke else 500,
        learning_rate=0.2,
        seeds=2 if smoke else 5,
    )
