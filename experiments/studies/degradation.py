"""Plain and residual nets of increasing depth, as in fig. 1 and 6 of He et al. 2015.

    ./launch.sh study --config=experiments/studies/degradation.py --workdir=runs/degradation

On the embedded digits, with nets half as wide as the paper's, in a few minutes on two cores.
`:long` uses the paper's CIFAR-10 nets and needs a GPU; `experiments/resnet_cifar10.py:plain=true`
trains one of them with the full recipe.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "degradation")
