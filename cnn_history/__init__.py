"""The convolutional networks from LeNet-5 to ResNet as they were published, in JAX.

    from cnn_history import initializers, layers, models, optimizers, schedules, evaluation

Nothing is computed, and no device is touched, by importing any of these.
"""


def load(workdir):
    """Return (model, variables, preprocessing) of a run, an imported or a shipped network.

    See `cnn_history.loading.load`, which this calls.
    """
    from cnn_history import loading

    return loading.load(workdir)
