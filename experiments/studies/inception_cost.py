"""What bottlenecks of 1x1 save in the lecture's Inception module, and the slip in its sum.

./launch.sh study --config=experiments/studies/inception_cost.py --workdir=runs/inception_cost
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    parse_arg(arg, smoke=False)
    return study("inception_cost")
