"""AlexNet on ImageNet: Krizhevsky, Sutskever, Hinton 2012, sec. 5, table 2.

    ./launch.sh train --config=experiments/alexnet_imagenet.py --workdir=runs/alexnet
    ./launch.sh evaluate --workdir=runs/alexnet --protocol=ten_crop --scale=256

The paper's recipe: batch 128, momentum 0.9; rate 0.01, divided by 10 three times, when the
validation error stops improving; about 90 passes; weight decay 0.0005 on every parameter; weights
from N(0, 0.01²); biases 1 in conv2, conv4, conv5 and the hidden fully-connected layers, 0
elsewhere; dropout 0.5; LRN; 224x224 crops of the central 256x256, mirrored at random; PCA colour;
the mean image subtracted from grey levels.

Departures: 227x227 crops (see models/alexnet.py). The authors lowered the rate by hand; here it
drops after five passes without a new lowest error. Both groups of channels are on one device.

Not stated: the size of the mean image. Here it is that of the network's inputs.

Expected: 40.7 % top-1 and 18.2 % top-5 error (validation, one network, ten crops). Not run here: it
needs an accelerator.
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
    config.model.name = "alexnet_2012"
    config.model.kernel_init = choose("kernel_init", "gaussian", std=0.01)
    config.model.norm = choose("norm", "local_response_norm", k=2.0, n=5, alpha=1e-4, beta=0.75)
    config.model.dropout = 0.5

    photos(config, options.dataset, batch_size=128)
    config.image_size = 227
    config.adapter = "resize_crop"
    config.scaling = "per_pixel_mean_255"
    config.augmentation = choose("augmentation", "alexnet", colour_std=0.1)

    config.steps = steps(90, IMAGENET_EXAMPLES, config.batch_size)
    config.optimizer = choose("optimizer", "momentum", decay=0.9)
    config.learning_rate = 0.01
    config.schedule = plateau()
    config.weight_decay = 5e-4

    if options.smoke:
        smoke_on_photos(config)
    return config
