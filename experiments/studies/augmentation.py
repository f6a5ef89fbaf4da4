"""What the papers' augmentations make of a photo: a contact sheet, and how much is seen at once.

./launch.sh study --config=experiments/studies/augmentation.py --workdir=runs/augmentation
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "augmentation")
