"""Adam, SGD with momentum and decay, K-FAC and L-BFGS, tuned alike, on a small net.

    ./launch.sh study --config=experiments/studies/in_practice.py --workdir=runs/in_practice

On the embedded digits, in a few minutes on two cores. Each rule is tried with five settings on a
separate seed; its best setting then runs from other seeds. `:long` has more passes and seeds.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "in_practice")
