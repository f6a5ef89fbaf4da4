"""Activations and gradients of ten layers before training: the lecture's slides on weight
initialization.

    ./launch.sh study --config=experiments/studies/activation_statistics.py \\
        --workdir=runs/activations

Ten layers of 500 units: tanh with 0.01 randn, 1.0 randn and Xavier's initialization; ReLU with
Xavier's and He's.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "activation_statistics")
