"""VGG on ImageNet: Simonyan, Zisserman 2014 (arXiv:1409.1556), sec. 3, tables 3 to 5.

    ./launch.sh train --config=experiments/vgg_imagenet.py:net=vgg11 --workdir=runs/vgg11
    ./launch.sh train --config=experiments/vgg_imagenet.py:net=vgg16,from_a --workdir=runs/vgg16 \
        --config.init_from=runs/vgg11
    ./launch.sh evaluate --workdir=runs/vgg16 --protocol=dense --scale=256

`:net=vgg11|vgg11_lrn|vgg13|vgg16_c|vgg16|vgg19` chooses a column of table 1, and
`init=glorot|gaussian` the initialization. `from_a` takes "the first four convolutional layers and
the last three fully-connected layers" from the trained net A in `--config.init_from`. `jitter`
trains with the shorter side S in [256, 512] instead of 256.

The paper's recipe: batch 256; momentum 0.9; rate 0.01, divided by 10 three times, when the
validation accuracy stops improving; 370,000 iterations (74 passes); weight decay 0.0005; dropout
0.5; 224x224 crops of images with shorter side S, mirrored at random; AlexNet's colour augmentation;
the mean colour subtracted from grey levels; biases 0.

Initialization: the paper's nets started from "a normal distribution with the zero mean and 10^-2
variance", the deeper ones from net A's layers; "after the paper submission we found that it is
possible to initialise the weights without pre-training by using the random initialisation procedure
of Glorot & Bengio". The default is Glorot's, which trains every net without pre-training;
`init=gaussian` has a deviation of 0.01. Taken literally, the deviation would be 0.1; the initial
logits of net A on photos then have a deviation of 9·10^7 (with 0.01: 9·10^-4).

Departures: the rate drops after five passes without a new lowest error. With `jitter`, the paper
fine-tunes the net of S = 384; here training starts anew. Layers are taken from A by name (conv1_1,
conv2_1, conv3_1, conv3_2), because in order of depth the shapes do not agree.

With Glorot's initialization on grey levels, the rate of 0.01 diverged within 4 steps at a batch of
8. A batch of 256 has not been run.

Expected: table 3, 29.6 % top-1 and 10.4 % top-5 for A, 27.0 and 8.8 % for D (S = Q = 256, dense).
Not run here: it needs an accelerator.
"""

from cnn_history.config import base, choose, parse, photos, plateau, smoke_on_photos

NETS = ("vgg11", "vgg11_lrn", "vgg13", "vgg16_c", "vgg16", "vgg19")  # of table 1
FROM_A = ("conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8")  # sec. 3.1
INITS = {
    "glorot": choose("kernel_init", "xavier", mode="fan_avg", distribution="uniform"),
    "gaussian": choose("kernel_init", "gaussian", std=0.01),
}


def get_config(arg=None):
    options = parse(arg, net="vgg11", init="glorot", from_a=False, jitter=False)
    for name, table in {"net": NETS, "init": INITS}.items():
        if options[name] not in table:
            raise ValueError(f"{name}: expected one of {', '.join(table)}, got {options[name]}.")

    config = base()
    config.model.name = options.net
    config.model.kernel_init = INITS[options.init]
    config.model.dropout = 0.5
    if options.from_a:
        config.init_layers = FROM_A

    photos(config, options.dataset, batch_size=256)
    config.image_size = 224
    config.adapter = "resize_crop"
    config.scaling = "per_channel_mean_255"
    scales = (256, 512) if options.jitter else (256, 256)
    config.augmentation = choose("augmentation", "vgg", scales=scales, colour_std=0.1)

    config.steps = 370_000
    config.optimizer = choose("optimizer", "momentum", decay=0.9)
    config.learning_rate = 0.01
    config.schedule = plateau()
    config.weight_decay = 5e-4

    if options.smoke:
        smoke_on_photos(config)
    return config
