"""Residual and plain networks on ImageNet: He et al. 2015 (arXiv:1512.03385), sec. 3.4, tables 2-4.

    ./launch.sh train --config=experiments/resnet_imagenet.py:depth=50 --workdir=runs/resnet50
    ./launch.sh evaluate --workdir=runs/resnet50 --protocol=ten_crop --scale=256
    ./launch.sh evaluate --workdir=runs/resnet50 --protocol=multi_scale_dense \
        --scales=224,256,384,480,640

`:depth=18|34|50|101|152`, `plain` for the plain nets of 18 and 34 layers, `shortcut=A|B|C`.

The paper's recipe: batch 256; momentum 0.9; rate 0.1, divided by 10 when the error plateaus; up to
600,000 iterations; weight decay 0.0001; batch normalization after each convolution, no dropout;
shorter side in [256, 480]; 224x224 crops, mirrored at random; the per-pixel mean subtracted;
AlexNet's colour augmentation; the initialization of He et al. 2015.

Readings: weight decay applies to every parameter, as in the authors' code; He's initialization uses
fan-in (their later code: fan-out); shortcuts are B (A in the paper's first comparison of 18 and 34
layers). For tests, batch norm uses the mean statistics of 100 training batches: in the authors'
release, test-time statistics are not a moving average either.

Departures: the rate drops after five passes without a new lowest error; a step's statistics cover
the whole batch, the authors' only one GPU's part.

Expected: 27.88 (A), 24.52, 22.85, 21.75, 21.43 % top-1 error by ten crops (validation). Not run
here: it needs an accelerator.
"""

from cnn_history.config import base, choose, parse, photos, plateau, smoke_on_photos

DEPTHS, PLAIN_DEPTHS = (18, 34, 50, 101, 152), (18, 34)


def get_config(arg=None):
    options = parse(arg, depth=50, plain=False, shortcut="B")
    if options.depth not in DEPTHS:
        raise ValueError(
            f"depth: expected one of {', '.join(map(str, DEPTHS))}, got {options.depth}."
        )
    if options.plain and options.depth not in PLAIN_DEPTHS:
        raise ValueError(
            f"depth: the paper's plain nets have 18 and 34 layers, got {options.depth}."
        )

    config = base()
    config.model.name = f"{'plain' if options.plain else 'resnet'}{options.depth}"
    config.model.kernel_init = choose("kernel_init", "he", mode="fan_in")
    config.model.norm = choose("norm", "batch_norm")
    if not options.plain:
        config.model.shortcut = options.shortcut

    photos(config, options.dataset, batch_size=256)
    config.image_size = 224
    config.adapter = "resize_crop"
    config.scaling = "per_pixel_mean_255"
    config.augmentation = choose("augmentation", "resnet", scales=(256, 480), colour_std=0.1)

    config.steps = 600_000
    config.optimizer = choose("optimizer", "momentum", decay=0.9)
    config.learning_rate = 0.1
    config.schedule = plateau()
    config.weight_decay = 1e-4
    config.statistics_batches = 100
    if options.smoke:
        smoke_on_photos(config)
    return config
