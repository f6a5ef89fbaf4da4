#!/usr/bin/env bash
# PyTorch's and optax's plateau schedules never lower the rate while a negative loss stands still.
#
# Guess: both wait for `patience` evaluations without an improvement of more than a relative threshold
# (1e-4), then multiply the rate by `factor`. A loss that stays at -1 does not improve, so the rate drops
# as it does for a loss that stays at +1.
#
# Seen: at +1 the rate drops. At -1 it never does. The threshold is best * (1 - 1e-4), which for a
# negative best lies above it: every repetition of -1 counts as an improvement. A loss that slowly gets
# worse counts as one too.
#
# Why it matters: log likelihoods of densities, contrastive and policy objectives, and rewards given as
# minus a score are negative. Such a run keeps its first rate to the end, without a message.
# `threshold_mode="abs"` in PyTorch, and `rtol=0, atol=1e-4` in optax, behave as guessed.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.13.0 numpy==2.3.5 jax==0.10.2 jaxlib==0.10.2 optax==0.2.8
JAX_PLATFORMS=cpu "$folder/env/bin/python" - <<'PYTHON'
import sys

import jax.numpy as jnp
import optax
import torch

EVALUATIONS, PATIENCE, FACTOR = 50, 3, 0.1


def of_torch(losses, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=FACTOR, patience=PATIENCE, **options
    )
    for loss in losses:
        schedule.step(loss)
    return optimizer.param_groups[0]["lr"]


def of_optax(losses, **options):
    rule = optax.contrib.reduce_on_plateau(factor=FACTOR, patience=PATIENCE, **options)
    params = jnp.zeros(1)
    state = rule.init(params)
    for loss in losses:
        _, state = rule.update(params, state, value=loss)
    return float(state.scale)


print(f"torch {torch.__version__}, optax {optax.__version__}; {EVALUATIONS} evaluations, patience {PATIENCE}")
series = {
    "+1 throughout": [1.0] * EVALUATIONS,
    "-1 throughout": [-1.0] * EVALUATIONS,
    "-1, worse by 0.00005 each time": [-1 + 5e-5 * i for i in range(EVALUATIONS)],
}
seen = {}
for name, losses in series.items():
    seen[name] = of_torch(losses), of_optax(losses)
    print(f"loss {name}: the rate became {seen[name][0]:g} (torch), {seen[name][1]:g} (optax)")
absolute = of_torch(series["-1 throughout"], threshold_mode="abs"), of_optax(
    series["-1 throughout"], rtol=0.0, atol=1e-4
)
print(f"-1 throughout, absolute threshold: {absolute[0]:g} (torch), {absolute[1]:g} (optax)")
as_found = max(seen["+1 throughout"]) < 1 and max(absolute) < 1
as_found &= all(seen[name] == (1.0, 1.0) for name in series if name.startswith("-1"))
sys.exit(not as_found)
PYTHON
