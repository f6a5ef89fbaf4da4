"""The lecture's experiments that are not plain training, one file each.

Each is `run(**options) -> Findings`, pure but for its random seeds; `study` writes what it finds.
"""

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
    "activation_statistics": activation_statistics.run,
    "adaptive_step_sizes": adaptive_step_sizes.run,
    "augmentation": augmentation.run,
    "auxiliary_heads": auxiliary_heads.run,
    "batch_normalization": batch_normalization.run,
    "constant_initialization": constant_initialization.run,
    "decorrelated_batch_normalization": decorrelated_batch_normalization.run,
    "degradation": degradation.run,
    "factorization": factorization.run,
    "fc7_transfer": fc7_transfer.run,
    "in_practice": in_practice.run,
    "inception_cost": inception_cost.run,
    "learning_rate": learning_rate.run,
    "optimizer_trajectories": optimizer_trajectories.run,
    "receptive_field": receptive_field.run,
    "scaling": scaling.run,
    "second_order": second_order.run,
    "vgg_budget": vgg_budget.run,
}

__all__ = ["STUDIES", "Findings", "Picture"]
