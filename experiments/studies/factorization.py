"""Factorized filters and the reductions of the grid, as in Inception-v3.

./launch.sh study --config=experiments/studies/factorization.py --workdir=runs/factorization
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    parse_arg(arg, smoke=False)
    return study("factorization")
