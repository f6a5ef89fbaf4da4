"""Adam, SGD with momentum and decay, K-FAC and L-BFGS, tuned alike, on a small net to the end.

    ./launch.sh study --config=experiments/studies/in_practice.py --workdir=runs/in_practice

On the embedded digits, in some minutes on two cores. Each rule is tried with three settings on a
seed of its own, and runs at the best from other seeds. `:long` has more passes and seeds.
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    options = parse_arg(arg, smoke=False, long=False)
    passes, seeds = (200, 10) if options.long else (40, 5)
    return study(
        "in_practice",
        passes=1 if options.smoke else passes,
        batch_size=128,
        settings=1 if options.smoke else 3,
        seeds=2 if options.smoke else seeds,
    )
