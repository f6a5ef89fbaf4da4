"""The configs whose programs are measured."""

from ml_collections import ConfigDict

from cnn_history import config as fields


def cifar10(network: str, batch_size: int, dtype: str = "float32") -> ConfigDict:
    """Return the recipe of residual networks on CIFAR-10 (He et al. 2015, sec. 4.2)."""
    config = fields.base()
    config.model.update(name=network, activation="relu", shortcut="A")
    config.model.kernel_init = fields.choose("kernel_init", "he", mode="fan_in")
    config.model.norm = fields.choose("norm", "batch_norm")
    config.augmentation.name = "pad_crop_flip"
    config.schedule = fields.choose(
        "schedule", "piecewise", steps=(32_000, 48_000), factors=(0.1, 0.1)
    )
    config.update(
        dataset="cifar10",
        scaling="per_pixel_mean",
        batch_size=batch_size,
        dtype=dtype,
        steps=64_000,
        learning_rate=0.1,
        weight_decay=1e-4,
    )
    return config


def digits(optimizer: str, batch_size: int, size: int, learning_rate: float) -> ConfigDict:
    """Return steps of a rule on scikit-learn's digits, unchanged."""
    config = fields.base()
    config.model.name = "lenet5"
    config.optimizer.name = optimizer
    config.update(
        dataset="digits",
        scaling="lenet_1998",
        batch_size=batch_size,
        image_size=size,
        learning_rate=learning_rate,
    )
    return config
