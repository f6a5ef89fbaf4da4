"""What the papers' augmentations make of a photo: a contact sheet, and how much is seen at once.

./launch.sh study --config=experiments/studies/augmentation.py --workdir=runs/augmentation
"""

from experiments import common

SHOWN = ("alexnet", "zfnet", "vgg", "resnet", "googlenet", "inception")


def get_config(arg=None):
    smoke = common.options(arg, smoke=False).smoke
    candidates = {name: dict(common.AUGMENTATIONS[name]) for name in SHOWN}
    candidates["vgg"]["scales"] = (256, 512)  # as its last nets were trained
    return common.study("augmentation", candidates=candidates, draws=50 if smoke else 1000)
