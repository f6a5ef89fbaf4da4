"""Whitening against standardizing: covariances, and training with BN, DBN and IterNorm.

    ./launch.sh study --config=experiments/studies/decorrelated_batch_normalization.py \\
        --workdir=runs/dbn

On 4,000 images of CIFAR-10 at 16x16, with a residual net of 8 layers, in some minutes on two cores;
CIFAR-10 has to be prepared (README). `:dataset=digits` needs no download; `:smoke` takes it.
`:long` is ResNet-20 on all of CIFAR-10 at its size, for a GPU.

Measured (results/decorrelated_batch_normalization, n=3, 186 s): every whitening trains to a lower
loss than batch norm in these few steps; the test error is not told apart, but for DBN at every
place, which is worse. `:long` has not been run.
"""

from cnn_history.config import parse_arg, study


def get_config(arg=None):
    options = parse_arg(arg, smoke=False, long=False, dataset="")
    dataset = options.dataset or ("digits" if options.smoke else "cifar10")
    if options.long:
        return study(
            "decorrelated_batch_normalization",
            dataset=options.dataset or "cifar10",
            image_size=32,
            examples=50_000,
            blocks=3,
            features=(16, 32, 64),
            steps=8000,
            batch_size=128,
            seeds=3,
        )
    return study(
        "decorrelated_batch_normalization",
        dataset=dataset,
        image_size=8 if dataset == "digits" else 16,
        examples=100 if options.smoke else 4000,
        blocks=1,
        features=(4, 8, 8) if options.smoke else (16, 32, 64),
        steps=3 if options.smoke else 150,
        batch_size=16 if options.smoke else 64,
        seeds=2 if options.smoke else 3,
    )
