"""What GoogLeNet's auxiliary classifiers do for its lower layers, with and without batch norm.

    ./launch.sh study --config=experiments/studies/auxiliary_heads.py --workdir=runs/heads

GoogLeNet at its published widths, on the embedded digits enlarged to 64x64, in some minutes on two
cores. `:long` is CIFAR-10 at 96x96 for some passes, for a GPU.
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    options = parse_arg(arg, smoke=False, long=False)
    if options.long:
        return study(
            "auxiliary_heads",
            dataset="cifar10",
            image_size=96,
            steps=8000,
            batch_size=128,
            seeds=3,
        )
    return study(
        "auxiliary_heads",
        dataset="digits",
        image_size=32 if options.smoke else 64,
        steps=2 if options.smoke else 60,
        batch_size=4 if options.smoke else 16,
        seeds=1 if options.smoke else 3,
    )
