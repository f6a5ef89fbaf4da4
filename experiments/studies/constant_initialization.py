"""Why W = c cannot learn: the lecture's first question on weight initialization.

    ./launch.sh study --config=experiments/studies/constant_initialization.py \\
        --workdir=runs/constant

One hidden layer of 20 tanh units on the embedded digits, from three constants and two random
starts.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "constant_initialization")
