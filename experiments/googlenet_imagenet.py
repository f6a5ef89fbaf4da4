"""GoogLeNet on ImageNet: Szegedy et al. 2014 (arXiv:1409.4842), sec. 5 to 7, table 3.

    ./launch.sh train --config=experiments/googlenet_imagenet.py --workdir=runs/googlenet
    ./launch.sh evaluate --workdir=runs/googlenet --protocol=crops144

The paper's recipe: momentum 0.9; the rate falls by 4 % every 8 passes; both auxiliary classifiers
with weight 0.3; dropout 0.4, and 0.7 in the auxiliary classifiers; evaluation with Polyak-averaged
parameters; crops of 8 to 100 % of the image with aspects of 3/4 to 4/3; photometric distortions;
the mean colour subtracted.

Departure: synchronous updates; the paper's ran asynchronously on many machines.

Not stated, and taken from Caffe's release of the network: batch 32, initial rate 0.01, weight decay
0.0002, 2.4 million iterations (60 passes), Xavier's initialization and biases of 0.2. Not stated,
and chosen here: input values are grey levels; Polyak averaging is the mean of the parameters after
all updates, as in Polyak & Juditsky 1992.

Expected: 10.07 % top-5 error by one crop, 9.15 % by ten, 7.89 % by 144 (validation, one network).
Not run here: it needs an accelerator.
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


def get_config(arg=None):
    options = parse(arg)
    config = base()
    config.model.name = "googlenet"
    config.model.aux_heads = True
    config.model.dropout = 0.4
    config.model.aux_dropout = 0.7
    config.model.kernel_init = choose(
        "kernel_init", "xavier", mode="fan_in", distribution="uniform"
    )
    config.aux_weight = 0.3

    photos(config, options.dataset, batch_size=32)
    config.image_size = 224
    config.adapter = "resize_crop"
    config.scaling = "per_channel_mean_255"
    config.augmentation = choose("augmentation", "googlenet")

    config.steps = 2_400_000
    config.optimizer = choose("optimizer", "momentum", decay=0.9)
    config.learning_rate = 0.01
    config.schedule = choose(
        "schedule",
        "step_decay",
        factor=0.96,
        every=steps(8, IMAGENET_EXAMPLES, config.batch_size),
    )
    config.weight_decay = 2e-4
    config.averaging = choose("averaging", "polyak")
    config.evaluated = "averaged"
    if options.smoke:
        smoke_on_photos(config)
    return config
