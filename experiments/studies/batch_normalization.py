"""What batch normalization does for gradients, rates, initialization and test error.

    ./launch.sh study --config=experiments/studies/batch_normalization.py --workdir=runs/batch_norm

On the embedded digits, which need no download, in some minutes on two cores
(results/batch_normalization). `:long` is CIFAR-10 at its size with more steps and seeds, for a GPU.
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    options = parse_arg(arg, smoke=False, long=False)
    if options.long:
        return study(
            "batch_normalization",
            dataset="cifar10",
            image_size=32,
            examples=50_000,
            convolutions=3,
            steps=2000,
            batch_size=128,
            seeds=10,
        )
    return study(
        "batch_normalization",
        dataset="digits",
        image_size=8,
        examples=100 if options.smoke else 1437,
        convolutions=1 if options.smoke else 3,
        steps=2 if options.smoke else 120,
        batch_size=16 if options.smoke else 32,
        seeds=1 if options.smoke else 4,
    )
