"""Residual and plain networks on CIFAR-10: He et al. 2015 (arXiv:1512.03385), sec. 4.2, table 6.

    ./launch.sh train --config=experiments/resnet_cifar10.py:depth=20 --workdir=runs/resnet20

`:depth=20|32|44|56|110`, `plain=true` for the plain nets of fig. 6; `split=45k` trains on 45,000
images and tests on the other 5,000, as the paper did to choose its schedule.

The paper's recipe: batch 128; rate 0.1, divided by 10 at 32k and 48k of 64k iterations; weight
decay 1e-4, momentum 0.9, He initialization, per-pixel mean, pad-4 crop and flip; ResNet-110 starts
at 0.01 "until the training error is below 80 % (about 400 iterations)", here for 400 iterations.
Readings: weight decay applies to every parameter, as in the authors' code. Batch-norm statistics
cover the whole batch; each of the paper's two GPUs used its own 64 examples
(`--config.model.norm.batch_norm.group_size=64`).

Expected: the paper's 8.75, 7.51, 7.17, 6.97 and 6.43 % test error. Not run here to the end: a step
of ResNet-20 took 0.72 s on two CPU cores (results/resnet20_beside_torch.json), so a run would take
13 hours.
"""

from cnn_history.config import base, choose, parse, smoke

DEPTHS = (20, 32, 44, 56, 110)  # table 6


def get_config(arg=None):
    options = parse(arg, depth=20, plain=False, split="50k")
    if options.depth not in DEPTHS:
        raise ValueError(
            f"depth: expected one of {', '.join(map(str, DEPTHS))}, got {options.depth}."
        )
    if options.plain and options.depth == 110:
        raise ValueError("depth: table 6 has no plain net of 110 layers; the deepest has 56.")
    if options.split not in ("50k", "45k"):
        raise ValueError(f"split: expected 50k or 45k, got {options.split}.")

    config = base()
    config.model.name = f"{'plain' if options.plain else 'resnet'}{options.depth}"
    config.model.kernel_init = choose("kernel_init", "he", mode="fan_in")
    config.model.norm = choose("norm", "batch_norm")
    config.model.activation = "relu"
    if not options.plain:
        config.model.shortcut = "A"

    config.dataset = options.dataset or "cifar10"
    config.scaling = "per_pixel_mean"
    config.augmentation.name = "pad_crop_flip"
    if options.split == "45k":
        config.train_split, config.test_split = "train[:45000]", "train[45000:]"

    config.batch_size = 128
    config.steps = 64_000
    config.learning_rate = 0.1
    drops = {32_000: 0.1, 48_000: 0.1}
    if options.depth == 110:
        config.learning_rate = 0.01
        drops = {400: 10.0, **drops}
    config.schedule = choose(
        "schedule", "piecewise", steps=tuple(drops), factors=tuple(drops.values())
    )
    config.optimizer = choose("optimizer", "momentum", decay=0.9)
    config.weight_decay = 1e-4

    if options.smoke:
        smoke(config)
    return config
