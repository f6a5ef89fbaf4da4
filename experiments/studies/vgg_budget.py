"""Where memory and parameters of VGG16 sit, beside the lecture's totals.

./launch.sh study --config=experiments/studies/vgg_budget.py --workdir=runs/vgg_budget
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    parse_arg(arg, smoke=False)
    return study("vgg_budget")
