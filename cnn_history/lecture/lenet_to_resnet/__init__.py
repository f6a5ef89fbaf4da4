"""Deep Learning, lecture 9, "From LeNet to ResNet: A Brief History of CNNs", part 2.

There is a file for each part. The numbers on the slides are arguments of the claims.
"""

from cnn_history.lecture.claim import Lecture
from cnn_history.lecture.lenet_to_resnet import (
    benefits,
    first_networks,
    first_order,
    googlenet_slides,
    inception,
    inception_modules,
    initialization,
    learning_rates,
    newton_methods,
    normalization,
    practice,
    vgg_listing,
    vgg_slides,
)

PARTS = (
    *(first_networks, vgg_slides, vgg_listing, initialization, googlenet_slides),
    *(inception_modules, normalization, benefits, inception, first_order, learning_rates),
    *(newton_methods, practice),
)
LECTURE = Lecture(
    key="lenet_to_resnet",
    title='Deep Learning, lecture 9, "From LeNet to ResNet: A Brief History of CNNs", part 2',
    claims=tuple(sorted(claim for part in PARTS for claim in part.CLAIMS)),
)
