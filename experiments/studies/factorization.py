"""Factorized filters and the reductions of the grid, as in Inception-v3.

./launch.sh study --config=experiments/studies/factorization.py --workdir=runs/factorization
"""

from experiments import common


def get_config(arg=None):
    common.options(arg, smoke=False)
    return common.study("factorization")
