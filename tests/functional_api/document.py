"""The tables of docs/functional_api.md, from the cells in docs/functional_api.json."""

import pathlib
import re

from tests.functional_api import meshes, transformations
from tests.models import low_precision

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "functional_api.md"
CELLS = DOCUMENT.with_suffix(".json")
# Each has `row(network)`, which computes cells, and `table(rows)`, the lines that show them.
TABLES = {"transformations": transformations, "meshes": meshes, "bfloat16": low_precision}


def written(text: str, cells: dict) -> str:
    """Return the document's text with the tables of these cells."""
    for name, kind in TABLES.items():
        table = "\n".join(kind.table(cells[name]))
        between = re.compile(f"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.S)
        text = between.sub(lambda found, table=table: found[1] + table + found[2], text)
    return text
