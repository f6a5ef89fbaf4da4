"""Whether the features of a network's last hidden layer serve another data set.

    ./launch.sh study --config=experiments/studies/fc7_transfer.py --workdir=runs/fc7_transfer

LeNet-5, trained on MNIST, on the digits of other writers and another scanner, 100 of which the
linear classifiers learn from; in some minutes on two cores. fc4 is its fc7. Measured
(results/fc7_transfer, n=5): 12.2 % error on fc4, 15.2 % on a random fc4, 13.0 % on pixels: better
than random weights, not told apart from pixels.

With the weights of an imported network, the lecture's own case:

    ... --config=experiments/studies/fc7_transfer.py:imagenet --config.trained=runs/alexnet \
        --config.target=cifar10

Measured with an imported ResNet-20 of CIFAR-10 and 300 photos of ten ImageNet classes at 32x32
(results/fc7_transfer_photos): 45.9 % on its last pooling, 76.1 % with random weights, 71.5 % on
pixels. Two of the classes, a dog and a truck, are much like ones of CIFAR-10.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "fc7_transfer")
