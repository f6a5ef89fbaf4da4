"""Valid options of the studies of residual nets (He et al. 2015, sec. 4.2)."""

from cnn_history.choices import POSITIVE, Kind, several, whole
from cnn_history.models.resnet import CIFAR_SMALLEST

IMAGE_SIZE = whole(CIFAR_SMALLEST)
_DEPTH = Kind("6n+2, with n of 1 or more", lambda v: whole(8).fits(v) and v % 6 == 2)
DEPTHS = several(_DEPTH, 1)
# Shortcut A adds maps of zeros; it cannot remove maps.
FEATURES = Kind(
    "a tuple of 3, each a whole number above 0 and at least the one before",
    lambda v: several(POSITIVE, 3, 3).fits(v) and list(v) == sorted(v),
)
