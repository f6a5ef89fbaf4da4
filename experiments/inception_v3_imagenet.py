"""Inception-v3 on ImageNet: Szegedy et al. 2015 (arXiv:1512.00567), sec. 8, tables 3 and 4.

    ./launch.sh train --config=experiments/inception_v3_imagenet.py --workdir=runs/inception_v3
    ./launch.sh evaluate --workdir=runs/inception_v3 --protocol=crops144 --scales=342,384,427,469

The paper's recipe: RMSProp with decay 0.9 and epsilon 1.0, rate 0.045, multiplied by 0.94 every two
passes; 100 passes; gradients clipped at 2.0, labels smoothed by 0.1, a running average of the
parameters for evaluation, 299x299 images, one auxiliary classifier with a normalized hidden layer.

Readings: an update uses the 32 images of one replica (the paper's 50 replicas updated
asynchronously); the threshold of 2.0 applies to the norm of the whole gradient.

Not stated, and chosen here: weight 0.3 for the auxiliary classifier, as in GoogLeNet; weight decay
0.00004, values in [-1, 1] and an average with decay 0.9999 after a ramp, as in the release; the
initialization of He et al. 2015; GoogLeNet's augmentation with half its distortions; for 144 crops
of 299x299, GoogLeNet's scales times 4/3.

Expected: 21.2 % top-1 and 5.6 % top-5 error by one crop, 18.77 and 4.2 % by 144 (validation, one
network; the paper left out blacklisted images). Not run here: it needs an accelerator.
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
    config.model.name = "inception_v3"
    config.model.aux_heads = True
    config.model.kernel_init = choose("kernel_init", "he", mode="fan_in")
    config.model.norm = choose("norm", "batch_norm", epsilon=0.001)
    config.aux_weight = 0.3
    config.loss = choose("loss", "smoothed_cross_entropy", epsilon=0.1)

    photos(config, options.dataset, batch_size=32)
    config.image_size = 299
    config.adapter = "resize_crop"
    config.scaling = "symmetric"
    config.augmentation = choose("augmentation", "inception")

    config.steps = steps(100, IMAGENET_EXAMPLES, config.batch_size)
    config.optimizer = choose("optimizer", "rmsprop", decay=0.9, eps=1.0)
    config.learning_rate = 0.045
    config.schedule = choose(
        "schedule",
        "step_decay",
        factor=0.94,
        every=steps(2, IMAGENET_EXAMPLES, config.batch_size),
    )
    config.weight_decay = 4e-5
    config.gradient_clipping = 2.0
    config.averaging = choose("averaging", "exponential", decay=0.9999, ramp=True)
    config.evaluated = "averaged"

    if options.smoke:
        smoke_on_photos(config)
    return config
