"""Eight optimizers down a narrow valley, along the axes and turned: paths, a race, and steps.

./launch.sh study --config=experiments/studies/optimizer_trajectories.py --workdir=runs/trajectories
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "optimizer_trajectories")
