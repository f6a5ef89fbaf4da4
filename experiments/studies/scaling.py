"""Communication and waiting per step on 8 to 4,096 chips; not part of the lecture.

./launch.sh study --config=experiments/studies/scaling.py --workdir=runs/scaling
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "scaling")
