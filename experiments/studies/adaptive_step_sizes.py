"""Step sizes of AdaGrad, RMSProp and both forms of Adam: initial, late, and along two axes.

    ./launch.sh study --config=experiments/studies/adaptive_step_sizes.py \\
        --workdir=runs/adaptive_step_sizes

Under a constant gradient, which gives the lecture's numbers (1/sqrt(t), 3.16), and on a quadratic
that is a hundred times as steep along one axis as along the other.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "adaptive_step_sizes")
