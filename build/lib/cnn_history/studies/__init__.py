"""The lecture's experiments that are not plain training, one file each.

Each has `run(**options) -> Findings`, pure but for its random seeds; `study` writes what it finds.
The signature of `run` is the study's config; VARIANTS beside it has what `:smoke`, `:long` and the
like change.
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
    """Return the arguments of a study's `run`, as its signature has them."""
    return {name: it.default for name, it in inspect.signature(run).parameters.items()}


def config(name: str, arg: str | None = None) -> ConfigDict:
    """Return the config of a study: the defaults of its `run`, and what `:ARG` changes.

    ARG is a comma list of the study's VARIANTS and, where it has one, `dataset=NAME`.
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
