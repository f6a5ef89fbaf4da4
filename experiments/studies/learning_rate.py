"""Very high, high, good and low learning rates, and the lecture's decays.

    ./launch.sh study --config=experiments/studies/learning_rate.py --workdir=runs/learning_rate

A net of two hidden layers on the embedded digits, by momentum: constant rates, and the high one
with step decay, exponential decay and 1/t.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "learning_rate")
