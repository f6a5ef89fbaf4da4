"""Newton, BFGS, L-BFGS: one step on a quadratic, memory, models of a loss, full and mini-batches.

./launch.sh study --config=experiments/studies/second_order.py --workdir=runs/second_order
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    options = parse_arg(arg, smoke=False)
    return study(
        "second_order",
        seeds=2 if options.smoke else 5,
        passes=4 if options.smoke else 60,
        batch_size=64,
    )
