"""What bottlenecks of 1x1 save in the lecture's Inception module, and the slip in its sum.

./launch.sh study --config=experiments/studies/inception_cost.py --workdir=runs/inception_cost
"""

from experiments import common


def get_config(arg=None):
    common.options(arg, smoke=False)
    return common.study("inception_cost")
