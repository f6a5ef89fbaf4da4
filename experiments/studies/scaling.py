"""What a step exchanges and waits for on 8 to 4,096 chips; no slide of the lecture.

./launch.sh study --config=experiments/studies/scaling.py --workdir=runs/scaling
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    parse_arg(arg, smoke=False)
    return study("scaling")
