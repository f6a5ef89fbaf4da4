"""The effect of GoogLeNet's auxiliary classifiers on lower layers, with and without batch norm.

    ./launch.sh study --config=experiments/studies/auxiliary_heads.py --workdir=runs/heads

GoogLeNet at its published widths, on the embedded digits enlarged to 64x64, in a few minutes on two
cores. `:long` uses CIFAR-10 at 96x96 for some passes and needs a GPU.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "auxiliary_heads")
