"""What a step exchanges and waits for on 8 to 4,096 chips; no slide of the lecture.

./launch.sh study --config=experiments/studies/scaling.py --workdir=runs/scaling
"""

from experiments import common


def get_config(arg=None):
    common.options(arg, smoke=False)
    return common.study("scaling")
