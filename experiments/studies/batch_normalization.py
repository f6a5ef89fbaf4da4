"""Effects of batch normalization on gradients, rates, initialization and test error.

    ./launch.sh study --config=experiments/studies/batch_normalization.py --workdir=runs/batch_norm

On the embedded digits, which need no download, in a few minutes on two cores
(results/batch_normalization). `:long` uses CIFAR-10 at full size with more steps and seeds, and
needs a GPU.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "batch_normalization")
