"""The lecture's experiments that are not plain training, one file each.

Each is `run(**options) -> Findings`, pure but for its random seeds; `study` writes what it finds.
"""

from cnn_history.studies import constant_initialization
from cnn_history.studies.findings import Findings, Picture

STUDIES = {"constant_initialization": constant_initialization.run}

__all__ = ["STUDIES", "Findings", "Picture"]
