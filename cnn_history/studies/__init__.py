"""The lecture's experiments that are not plain training, one file each.

Each is `run(**options) -> Findings`, pure but for its random seeds; `study` writes what it finds.
"""

from cnn_history.studies import auxiliary_heads, constant_initialization, degradation
from cnn_history.studies.findings import Findings, Picture

STUDIES = {
    "auxiliary_heads": auxiliary_heads.run,
    "constant_initialization": constant_initialization.run,
    "degradation": degradation.run,
}

__all__ = ["STUDIES", "Findings", "Picture"]
