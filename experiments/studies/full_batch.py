"""Full-batch L-BFGS beside Adam and momentum on LeNet-5, for the same processor time.

    ./launch.sh study --config=experiments/studies/full_batch.py --workdir=runs/full_batch

On the embedded digits, without augmentation, to a training loss below 0.001 and beyond. Adam and
momentum are tuned over five rates on a separate seed. `:long` has more time and seeds.
"""

import functools

from cnn_history.studies import config

get_config = functools.partial(config, "full_batch")
