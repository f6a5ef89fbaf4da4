"""Plain against residual nets at growing depth, as in fig. 1 and 6 of He et al. 2015.

    ./launch.sh study --config=experiments/studies/degradation.py --workdir=runs/degradation

On the embedded digits, with nets half as wide as the paper's, in some minutes on two cores.
`:long` is the paper's CIFAR-10 nets, for a GPU; `experiments/resnet_cifar10.py:plain=true` trains
one of them by the whole recipe.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "degradation")
