"""Stacks of 3x3 against one 5x5 and one 7x7: what they see, and what they cost.

./launch.sh study --config=experiments/studies/receptive_field.py --workdir=runs/field
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    parse_arg(arg, smoke=False)
    return study("receptive_field", channels=64)
