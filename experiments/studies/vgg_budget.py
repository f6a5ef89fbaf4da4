"""Memory and parameters of VGG16 by layer, beside the lecture's totals.

./launch.sh study --config=experiments/studies/vgg_budget.py --workdir=runs/vgg_budget
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "vgg_budget")
