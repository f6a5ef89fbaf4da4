"""ZFNet on ImageNet: Zeiler, Fergus 2013 (arXiv:1311.2901), sec. 3.1, table 2.

    ./launch.sh train --config=experiments/zfnet_imagenet.py --workdir=runs/zfnet
    ./launch.sh evaluate --workdir=runs/zfnet --protocol=ten_crop --scale=256

The paper's recipe: batch 128, momentum 0.9, rate 0.01, annealed by hand when the validation error
plateaus; 70 passes; dropout 0.5 in layers 6 and 7; convolutional filters whose root mean square
exceeds 0.1 are scaled back to 0.1; one of ten 224x224 crops (corners and centre, mirrored or not)
of the central 256x256, less the per-pixel mean.

Readings: "all weights are initialized to 10^-2" is the deviation, since equal weights stay equal;
biases are 0 as stated. The rate is divided by 10 three times, as in Krizhevsky et al. 2012, after
five passes without a new lowest error.

Not stated: weight decay; here 0.0005, as in Krizhevsky et al. 2012, whom the section follows.

Expected: 38.4 % top-1 and 16.5 % top-5 error (validation, one network; the paper does not say by
which crops). Not run here: it needs an accelerator.
"""

from cnn_history.config import (
    IMAGENET_EXAMPLES,
    base,
    choose,
    parse,
    photos,
    plateau,
    smoke_on_photos,
    steps,
)


def get_config(arg=None):
    options = parse(arg)
    config = base()
    config.model.name = "zfnet"
    config.model.kernel_init = choose("kernel_init", "gaussian", std=0.01)
    config.model.dropout = 0.5

    photos(config, options.dataset, batch_size=128)
    config.image_size = 224
    config.adapter = "resize_crop"
    config.scaling = "per_pixel_mean_255"
    config.augmentation = choose("augmentation", "zfnet")

    config.steps = steps(70, IMAGENET_EXAMPLES, config.batch_size)
    config.optimizer = choose("optimizer", "momentum", decay=0.9)
    config.learning_rate = 0.01
    config.schedule = plateau()
    config.filter_radius = 0.1
    config.weight_decay = 5e-4

    if options.smoke:
        smoke_on_photos(config)
    return config
