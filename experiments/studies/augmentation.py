"""What the papers' augmentations make of a photo: a contact sheet, and how much is seen at once.

./launch.sh study --config=experiments/studies/augmentation.py --workdir=runs/augmentation
"""

from cnn_history.config import base, parse_arg, study

SHOWN = ("alexnet", "zfnet", "vgg", "resnet", "googlenet", "inception")


def get_config(arg=None):
    smoke = parse_arg(arg, smoke=False).smoke
    candidates = {name: base().augmentation[name].to_dict() for name in SHOWN}
    candidates["vgg"]["scales"] = (256, 512)  # as its last nets were trained
    return study("augmentation", candidates=candidates, draws=50 if smoke else 1000)
