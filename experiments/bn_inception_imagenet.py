"""BN-Inception on ImageNet: Ioffe, Szegedy 2015 (arXiv:1502.03167), sec. 4.2, fig. 4.

    ./launch.sh train --config=experiments/bn_inception_imagenet.py --workdir=runs/bn_inception
    ./launch.sh evaluate --workdir=runs/bn_inception --protocol=crops144

`:rate=5` is BN-x5 and `:rate=30` BN-x30: 5 or 30 times Inception's rate of 0.0015.

The paper's recipe: batch 32, momentum, rate 0.0075 or 0.045, decaying exponentially, 6 times faster
than Inception's (4 % every 8 passes); no dropout, no LRN; a fifth of Inception's weight decay; less
photometric distortion. The run has 6·10^6 steps, because BN-x30 "reaches 74.8 % after 6·10^6
steps".

Not stated, and chosen here: momentum 0.9, as for GoogLeNet; weight decay 0.00004, a fifth of the
0.0002 in Caffe's release of GoogLeNet; half of Howard's range of distortions; the initialization of
He et al. 2015; no averaging of parameters.

Departure: synchronous updates.

Expected: 25.2 % top-1 and 7.82 % top-5 error by one crop, 21.99 and 5.82 % by 144 (validation, one
network). Not run here: it needs an accelerator.
"""

from cnn_history.config import (
    IMAGENET_EXAMPLES,
    base,
    choose,
    parse,
    photos,
    smoke_on_photos,
    steps,
)

INCEPTION_RATE = 0.0015
DECAY_FASTER = 6


def get_config(arg=None):
    options = parse(arg, rate=30)
    if options.rate not in (5, 30):
        raise ValueError(f"rate: expected 5 or 30, got {options.rate}.")
    config = base()
    config.model.name = "bn_inception"
    config.model.kernel_init = choose("kernel_init", "he", mode="fan_in")
    config.model.norm = choose("norm", "batch_norm")

    photos(config, options.dataset, batch_size=32)
    config.image_size = 224
    config.adapter = "resize_crop"
    config.scaling = "per_channel_mean_255"
    config.augmentation = choose("augmentation", "googlenet", amounts=(0.75, 1.25), colour_std=0.0)

    config.steps = 6_000_000
    config.optimizer = choose("optimizer", "momentum", decay=0.9)
    config.learning_rate = options.rate * INCEPTION_RATE
    config.schedule = choose(
        "schedule",
        "step_decay",
        factor=0.96,
        every=steps(8 / DECAY_FASTER, IMAGENET_EXAMPLES, config.batch_size),
    )
    config.weight_decay = 4e-5

    if options.smoke:
        smoke_on_photos(config)
    return config
