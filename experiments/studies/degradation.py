"""Plain against residual nets at growing depth, as in fig. 1 and 6 of He et al. 2015.

    ./launch.sh study --config=experiments/studies/degradation.py --workdir=runs/degradation

On the embedded digits, with nets half as wide as the paper's, in some minutes on two cores.
`:long` is the paper's CIFAR-10 nets, for a GPU; `experiments/resnet_cifar10.py:plain=true` trains
one of them by the whole recipe.
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    options = parse_arg(arg, smoke=False, long=False)
    if options.long:
        return study(
            "degradation",
            dataset="cifar10",
            image_size=32,
            depths=(20, 32, 44, 56),
            features=(16, 32, 64),
            steps=8000,
            batch_size=128,
            seeds=3,
        )
    return study(
        "degradation",
        dataset="digits",
        image_size=8,
        depths=(8, 14) if options.smoke else (8, 20, 32, 56),
        features=(4, 8, 16) if options.smoke else (8, 16, 32),
        steps=10 if options.smoke else 300,
        batch_size=64,
        seeds=2 if options.smoke else 3,
    )
