"""The lecture's experiments beyond plain training, one file each.

Each study has `run(**options) -> Findings`, which writes nothing; the verb `study` writes its
findings. The signature of `run` is the study's config. VARIANTS lists the options that `:smoke`,
`:long` and other variants change.
"""

import inspect
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from cnn_history.config import parse_arg
from cnn_history.studies import (
    activation_statistics,
    adaptive_step_sizes,
    augmentation,
    auxiliary_heads,
    batch_normalization,
    constant_initialization,
    decorrelated_batch_normalization,
    degradation,
    factorization,
    fc7_transfer,
    full_batch,
    in_practice,
    inception_cost,
    learning_rate,
    optimizer_trajectories,
    receptive_field,
    scaling,
    second_order,
    vgg_budget,
)
from cnn_history.studies.findings import Findings, Picture

STUDIES = {
    "activation_statistics": activation_statistics,
    "adaptive_step_sizes": adaptive_step_sizes,
    "augmentation": augmentation,
    "auxiliary_heads": auxiliary_heads,
    "batch_normalization": batch_normalization,
    "constant_initialization": constant_initialization,
    "decorrelated_batch_normalization": decorrelated_batch_normalization,
    "degradation": degradation,
    "factorization": factorization,
    "fc7_transfer": fc7_transfer,
    "full_batch": full_batch,
    "in_practice": in_practice,
    "inception_cost": inception_cost,
    "learning_rate": learning_rate,
    "optimizer_trajectories": optimizer_trajectories,
    "receptive_field": receptive_field,
    "scaling": scaling,
    "second_order": second_order,
    "vgg_budget": vgg_budget,
}

__all__ = ["STUDIES", "Findings", "Picture", "config", "defaults"]


def defaults(run: Callable) -> dict[str, Any]:
    """Return the default of each argument of a study's `run`, by name."""
    return {name: it.default for name, it in inspect.signature(run).parameters.items()}


def config(name: str, arg: str | None = None) -> ConfigDict:
    """Return the config of a study: the defaults of its `run`, changed by `:ARG`.

    ARG is a comma-separated list of VARIANTS and, if the study takes a data set, `dataset=NAME`.
    Raises ValueError for anything else.
    """
    module = STUDIES[name]
    options = defaults(module.run)
    dataset = {"dataset": ""} if "dataset" in options else {}
    chosen = parse_arg(arg, **dict.fromkeys(module.VARIANTS, False), **dataset)
    for variant, changes in module.VARIANTS.items():
        options |= changes if chosen[variant] else {}
    options |= {option: chosen[option] for option in dataset if chosen[option]}
    return ConfigDict({"study": name, **options})
