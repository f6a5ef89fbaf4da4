"""Where memory and parameters of VGG16 sit, beside the lecture's totals.

./launch.sh study --config=experiments/studies/vgg_budget.py --workdir=runs/vgg_budget
"""

from experiments import common


def get_config(arg=None):
    common.options(arg, smoke=False)
    return common.study("vgg_budget")
