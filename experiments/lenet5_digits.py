"""LeNet-5 on the 1,797 digits that come with scikit-learn: the default experiment.

The lecture's LeNet-5 (LeCun et al. 1998, fig. 2) on handwritten digits that need no download: 8x8
images, resized to the network's 32x32. No paper has a number for it. Measured here: 1.43 % ± 0.41 %
test error (n=20), 8 s per run on two idle CPU cores (results/lenet5_digits.json).

    ./launch.sh
"""

from cnn_history.config import base, choose, parse, smoke, steps

TRAIN_EXAMPLES = 1_437


def get_config(arg=None):
    options = parse(arg)
    config = base()
    config.model.name = "lenet5"
    config.model.kernel_init = choose("kernel_init", "xavier")
    config.model.activation = "scaled_tanh"

    config.dataset = options.dataset or "digits"
    config.scaling = "lenet_1998"
    config.augmentation.name = "translate"  # without it, the net memorizes its 1,437 images

    config.batch_size = 32
    config.steps = steps(passes=40, examples=TRAIN_EXAMPLES, batch_size=32)
    config.learning_rate = 0.05
    config.schedule = choose("schedule", "polynomial_decay", power=1.0)

    config.eval_every = 500
    config.checkpoint_every = 500
    if options.smoke:
        smoke(config)
    return config
