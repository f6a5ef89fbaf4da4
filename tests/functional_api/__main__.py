"""The networks under jax's transformations, precisions and meshes, each beside the plain call.

    ./launch.sh python -m tests.functional_api --networks=lenet5,resnet20 [--table=meshes]

computes cells of the tables of docs/functional_api.md, keeps them in docs/functional_api.json, and
writes the tables anew. Small networks are executed, all others are traced: shapes and dtypes are
compared, and programs are lowered where a transformation does that.
"""

import json
import os

import jax
from absl import app, flags

from tests.functional_api.document import CELLS, DOCUMENT, TABLES, written

NETWORKS = flags.DEFINE_list("networks", ["lenet5"], "Whose cells are computed.")
TABLE = flags.DEFINE_enum("table", "transformations", list(TABLES), "Which is computed.")


def main(argv):
    """Compute the cells that the flags name, and write them."""
    del argv
    if TABLE.value == "meshes":
        jax.config.update("jax_num_cpu_devices", 4)
    jax.config.update("jax_disable_most_optimizations", True)
    for name in NETWORKS.value:
        made = TABLES[TABLE.value].row(name)
        print(name, json.dumps(made, indent=1), flush=True)
        jax.clear_caches()
        cells = json.loads(CELLS.read_text())
        cells[TABLE.value][name] = made
        ordered = {key: dict(sorted(cells[key].items())) for key in sorted(cells)}
        CELLS.write_text(json.dumps(ordered, indent=1) + "\n")
        DOCUMENT.write_text(written(DOCUMENT.read_text(), ordered))


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    app.run(main)
