"""Whitening compared with standardizing: covariances, and training with BN, DBN and IterNorm.

    ./launch.sh study --config=experiments/studies/decorrelated_batch_normalization.py \\
        --workdir=runs/dbn

On 4,000 images of CIFAR-10 at 16x16, with a residual net of 8 layers, in a few minutes on two
cores. CIFAR-10 must be prepared first (README); `:dataset=digits`, which `:smoke` uses, needs no
download. `:long` trains ResNet-20 on all of CIFAR-10 at full size and needs a GPU.

Measured (results/decorrelated_batch_normalization, n=3, 186 s): in these few steps, every form of
whitening reaches a lower training loss than batch norm. Test errors do not differ significantly,
except that DBN at every place is worse. `:long` has not been run.
"""

from cnn_history.studies import config


def get_config(arg=None):
    chosen = config("decorrelated_batch_normalization", arg)
    if chosen.dataset == "digits" and chosen.image_size == 16:
        chosen.image_size = 8  # the studies' own
    return chosen
