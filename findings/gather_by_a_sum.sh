#!/usr/bin/env bash
# From 64 chips on, XLA:TPU gathers small arrays by adding arrays of the gathered size.
#
# Guess: an array that is sharded over all chips and wanted whole on each becomes one all-gather,
# whatever the number of chips and the size; an all-reduce in a step's program is a sum of the user's.
#
# Seen: up to 32 chips it is an all-gather. On 64, each chip writes its part into zeros of the gathered
# size, and an all-reduce adds them. On v5e this holds for small arrays, and 50 MB are gathered again; on
# v5p the 50 MB are added as well.
#
# Why it matters: an all-reduce moves about twice the bytes of an all-gather and adds zeros to numbers.
# Whoever counts collectives by their kind, to tell gradients from gathered statistics or parameters,
# counts right on a small slice and wrong on a large one; so did we.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 libtpu==0.0.42.1
"$folder/env/bin/python" - 2>/dev/null <<'PYTHON'
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

EXPECTED = {
    ("v5e:2x4", 192): "all-gather",
    ("v5e:4x8", 192): "all-gather",
    ("v5e:8x8", 192): "all-reduce",
    ("v5e:8x8", 196_608): "all-gather",
    ("v5p:4x4x4", 196_608): "all-reduce",
}
print(f"jax {jax.__version__}, libtpu 0.0.42.1; float32 [chips, n], a row on each chip, wanted on all")
seen = {}
for name, n in EXPECTED:
    chips = topologies.get_topology_desc(name, platform="tpu").devices
    mesh = Mesh(np.array(chips), ("chips",))
    rows, whole = NamedSharding(mesh, P("chips")), NamedSharding(mesh, P())
    x = jax.ShapeDtypeStruct((len(chips), n), jnp.float32, sharding=rows)
    text = jax.jit(lambda x: x, out_shardings=whole).lower(x).compile().as_text()
    (seen[name, n],) = set(re.findall(r" (all-gather|all-reduce)(?:-start)?\(", text))
    print(f"{name}, {len(chips)} chips, n = {n:,}: {seen[name, n]}")
sys.exit(seen != EXPECTED)
PYTHON
