"""Stacks of 3x3 against one 5x5 and one 7x7: what they see, and what they cost.

./launch.sh study --config=experiments/studies/receptive_field.py --workdir=runs/field
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "receptive_field")
