"""What 1x1 bottlenecks save in the lecture's Inception module, and an error in its sum.

./launch.sh study --config=experiments/studies/inception_cost.py --workdir=runs/inception_cost
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "inception_cost")
