"""Stacks of 3x3 filters compared with one 5x5 and one 7x7: receptive fields and costs.

./launch.sh study --config=experiments/studies/receptive_field.py --workdir=runs/field
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "receptive_field")
