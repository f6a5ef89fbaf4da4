"""Adam, SGD with momentum and decay, K-FAC and L-BFGS, tuned alike, on a small net to the end.

    ./launch.sh study --config=experiments/studies/in_practice.py --workdir=runs/in_practice

On the embedded digits, in some minutes on two cores. Each rule is tried with three settings on a
seed of its own, and runs at the best from other seeds. `:long` has more passes and seeds.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "in_practice")
