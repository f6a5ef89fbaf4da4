"""ResNet-50 in large batches: Goyal et al. 2017 (arXiv:1706.02677), table 1.

    ./launch.sh train --config=experiments/resnet_large_batch_imagenet.py:batch=8192 \
        --workdir=gs://BUCKET/resnet50

`:batch=256|512|...|8192`, images in total over all devices; `micro_batches=N` splits a batch that
does not fit a device.

The paper's recipe: rate 0.1 for 256 images and in proportion for more, reached from 0.1 over five
passes; 90 passes; rate divided by 10 after 30, 60 and 80; momentum 0.9 with the rate inside the
velocity (their eq. 10, which needs no correction when the rate changes); weight decay 0.0001, none
on batch norm's parameters; batch norm over each worker's 32 images; the last scale of a block
starts at 0; crops of random area and aspect; a bottleneck's stride in its 3x3.

Departures: weight decay applies to no vector, not even the classifier's bias; the classifier's
weights are drawn like all others; values are not divided by each channel's deviation.

Expected: 23.60 % top-1 error at 256, 23.74 % at 8,192 (validation, one crop). Not run here: it
needs accelerators.
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

EXAMPLES_OF_A_WORKER = 32
WORKERS_RATE, WORKERS_BATCH = 0.1, 256  # of the paper's reference server
PASSES, WARMUP, DROPS = 90, 5, (30, 60, 80)


def get_config(arg=None):
    options = parse(arg, batch=8192, micro_batches=1)
    if options.batch < EXAMPLES_OF_A_WORKER or options.batch % EXAMPLES_OF_A_WORKER:
        raise ValueError(
            f"batch: expected a multiple of {EXAMPLES_OF_A_WORKER}, got {options.batch}."
        )

    config = base()
    config.model.name = "resnet50_v1_5"
    config.model.zero_gamma = True
    config.model.kernel_init = choose("kernel_init", "he", mode="fan_in")
    config.model.norm = choose("norm", "batch_norm", group_size=EXAMPLES_OF_A_WORKER)

    photos(config, options.dataset, batch_size=options.batch)
    config.micro_batches = options.micro_batches
    config.image_size = 224
    config.adapter = "resize_crop"
    config.scaling = "per_channel_mean"
    config.augmentation = choose("augmentation", "googlenet", amounts=(1.0, 1.0), colour_std=0.0)

    def updates(passes):
        return steps(passes, IMAGENET_EXAMPLES, options.batch)

    config.steps = updates(PASSES)
    config.checkpoint_every = updates(1)
    config.optimizer = choose("optimizer", "momentum", decay=0.9)
    config.learning_rate, config.rate_batch = WORKERS_RATE, WORKERS_BATCH
    config.warmup, config.warmup_from = updates(WARMUP), WORKERS_RATE
    config.schedule = choose(
        "schedule", "piecewise", steps=tuple(map(updates, DROPS)), factors=(0.1, 0.1, 0.1)
    )
    config.weight_decay = 1e-4
    config.decayed = "kernels"

    if options.smoke:
        smoke_on_photos(config)
        config.model.norm.batch_norm.group_size = 0
    return config
