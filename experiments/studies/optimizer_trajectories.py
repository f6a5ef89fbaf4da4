"""Eight optimizers down a narrow valley, along the axes and turned: paths, a race, and steps.

./launch.sh study --config=experiments/studies/optimizer_trajectories.py --workdir=runs/trajectories
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    options = parse_arg(arg, smoke=False)
    return study(
        "optimizer_trajectories",
        condition=30.0,
        steps=20 if options.smoke else 500,
        starts=2 if options.smoke else 16,
    )
