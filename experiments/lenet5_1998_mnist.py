"""LeNet-5 as published on MNIST: LeCun et al. 1998, fig. 9, 0.95 % test error.

The paper's network (table I, trainable subsampling, RBF output with the codes of fig. 3), its
initialization, its 20 passes and its discriminative loss (eq. 9), by momentum and mini-batches in
place of one example at a time by stochastic diagonal Levenberg-Marquardt. Measured here: 1.15 %
(n=1), 111 s on two CPU cores that others used too (results/lenet5_1998_mnist.json).

    ./launch.sh train --config=experiments/lenet5_1998_mnist.py --workdir=runs/lenet5_1998_mnist
"""

from experiments import common

TRAIN_EXAMPLES = 60_000


def get_config(arg=None):
    options = common.parse(arg)
    config = common.base()
    config.model.name = "lenet5_1998"
    config.model.kernel_init = common.choose(common.KERNEL_INITS, "lecun_1998")
    config.model.activation = "scaled_tanh"

    config.dataset = options.dataset or "mnist"
    config.adapter = "pad"  # 28x28 centred in 32x32
    config.scaling = "lenet_1998"

    config.batch_size = 128
    config.steps = common.steps(passes=20, examples=TRAIN_EXAMPLES, batch_size=128)
    config.loss = common.choose(common.LOSSES, "rbf_map")
    config.learning_rate = 0.001
    config.schedule = common.choose(common.SCHEDULES, "polynomial_decay", power=1.0)

    config.paper.update(
        model="lenet5_1998", dataset="mnist", top1_error=0.0095, source="LeCun et al. 1998, fig. 9"
    )
    if options.smoke:
        common.smoke(config)
    return config
