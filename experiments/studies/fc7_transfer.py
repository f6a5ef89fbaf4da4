"""Do the features of a network's last hidden layer transfer to another data set?

    ./launch.sh study --config=experiments/studies/fc7_transfer.py --workdir=runs/fc7_transfer

LeNet-5 is trained on MNIST. Linear classifiers on its features (fc4 corresponds to fc7) then learn
from 100 digits by other writers and another scanner. It takes a few minutes on two cores. Measured
(results/fc7_transfer, n=5): 12.2 % error on fc4, 15.2 % on a random fc4, 12.9 % on pixels. This is
better than random weights, but not significantly better than pixels.

With the weights of an imported network, as in the lecture:

    ... --config=experiments/studies/fc7_transfer.py:imagenet --config.trained=runs/alexnet \
        --config.target=cifar10

Measured with an imported ResNet-20 for CIFAR-10 and 300 photos of ten ImageNet classes at 32x32
(results/fc7_transfer_photos): 45.7 % error on its last pooling, 76.2 % with random weights, 71.5 %
on pixels. Two of the classes, a dog and a truck, resemble classes of CIFAR-10.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "fc7_transfer")
