#!/usr/bin/env bash
# JAX's persistent compilation cache hands a program compiled for one processor to a machine with two.
#
# Guess: XLA:CPU divides loops among the processors that it finds when it compiles. So their number is
# part of the cache key: a process with another number of processors compiles its own program.
#
# Seen: it does not. With an empty cache, a process that may use one processor leaves an undivided program
# behind; a process that may use two takes it from the cache and runs every loop on one. In the other order,
# one processor runs the program divided in two.
#
# Why it matters: the process that filled the cache (a container with one processor, a CI job under
# taskset, a smaller node of the same cluster) decides how fast later runs are, with no message. A
# separate cache folder for each number of processors fixes it.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
[[ $(nproc) -ge 2 ]] || { echo "needs two processors" >&2; exit 2; }
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
cat >"$folder/compile.py" <<'PYTHON'
import os
import re
import sys

import jax
import jax.numpy as jnp

folder, expected = sys.argv[1:]
jax.config.update("jax_compilation_cache_dir", folder)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
function = jax.jit(lambda x: jnp.tanh(x) * jnp.exp(-x * x) + jnp.sin(x))
argument = jax.ShapeDtypeStruct((4096, 1024), jnp.float32)
text = function.lower(argument).compile().as_text()
parts = re.findall(r'outer_dimension_partitions":\["(\d+)"', text)
print(f"  {len(os.sched_getaffinity(0))} processors: the loop is in {parts[0] if parts else 1} part(s)")
sys.exit((parts or ["1"]) != [expected])
PYTHON
export JAX_PLATFORMS=cpu
one=(taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')")
two=(taskset -c "$(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0))[:2], sep=",")')")
mkdir "$folder/one_first" "$folder/two_first"
echo "jax 0.10.2; tanh(x) exp(-x^2) + sin(x), x float32 [4096, 1024]; two processes, one cache"
status=0
echo "one processor first:"
"${one[@]}" "$folder/env/bin/python" "$folder/compile.py" "$folder/one_first" 1 || status=1
"${two[@]}" "$folder/env/bin/python" "$folder/compile.py" "$folder/one_first" 1 || status=1
echo "two processors first:"
"${two[@]}" "$folder/env/bin/python" "$folder/compile.py" "$folder/two_first" 2 || status=1
"${one[@]}" "$folder/env/bin/python" "$folder/compile.py" "$folder/two_first" 2 || status=1
exit "$status"
