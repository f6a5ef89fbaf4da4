"""Newton, BFGS, L-BFGS: one step on a quadratic, memory, models of a loss, full and small batches.

./launch.sh study --config=experiments/studies/second_order.py --workdir=runs/second_order
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "second_order")
