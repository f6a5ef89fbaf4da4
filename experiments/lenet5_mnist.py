"""LeNet-5 on MNIST: LeCun et al. 1998, fig. 9, "LeNet-5", 0.95 % test error.

The lecture's network, 20 passes as in the paper. It is trained by momentum on mini-batches; the
paper used stochastic diagonal Levenberg-Marquardt on one example at a time. Measured here: 0.87 % ±
0.05 (n=10), the best 0.80 %; 80 to 110 s on two idle CPU cores (results/lenet5_mnist.json).

    ./launch.sh train --config=experiments/lenet5_mnist.py --workdir=runs/lenet5_mnist
"""

from cnn_history.config import base, choose, parse, smoke, steps

TRAIN_EXAMPLES = 60_000


def get_config(arg=None):
    options = parse(arg)
    config = base()
    config.model.name = "lenet5"
    config.model.kernel_init = choose("kernel_init", "xavier")
    config.model.activation = "scaled_tanh"

    config.dataset = options.dataset or "mnist"
    config.adapter = "pad"  # 28x28 centred in 32x32
    config.scaling = "lenet_1998"

    config.batch_size = 128
    config.steps = steps(passes=20, examples=TRAIN_EXAMPLES, batch_size=128)
    config.learning_rate = 0.05
    config.schedule = choose("schedule", "polynomial_decay", power=1.0)
    config.weight_decay = 5e-4
    config.decayed = "kernels"

    if options.smoke:
        smoke(config)
    return config
