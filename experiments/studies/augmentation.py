"""The papers' augmentations of a photo: a contact sheet, and the share of the photo in a crop.

./launch.sh study --config=experiments/studies/augmentation.py --workdir=runs/augmentation
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "augmentation")
