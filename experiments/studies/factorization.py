"""Factorized filters and the reductions of the grid, as in Inception-v3.

./launch.sh study --config=experiments/studies/factorization.py --workdir=runs/factorization
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "factorization")
