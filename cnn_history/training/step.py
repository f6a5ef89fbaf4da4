"""One step of training: pure, to be jitted by the caller."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from cnn_history.training.state import State

Metrics = dict[str, jax.Array]


def train_step(
    state: State,
    batch: Mapping[str, Any],
    *,
    apply: Callable,
    loss: Callable[[Any, jax.Array], jax.Array],
    optimizer: optax.GradientTransformation,
    applied_rate: Callable[[Any], jax.Array],
) -> tuple[State, Metrics]:
    """Return the state after one update, and what is to be known of it.

    A non-finite loss or gradient is never applied: the old state is returned, and `applied` is 0.
    Nor is a batch that was made for another step than the state's, which keeps all later batches
    out once one was refused, whether the caller looks at once, one step later, or after a scan.

    Args:
      state: not changed, though it may be donated.
      batch: `image` [n, h, w, c] as the network takes it, `label` int [n], and `step`, the number
        of the update that it was made for.
      apply: the network's `apply(variables, images, train=, rngs=, mutable=)`.
      loss: (logits, labels) -> [n].
      optimizer: updates the parameters.
      applied_rate: optimizer state -> the learning rate of its last update.
    """
    dropout_key = jax.random.fold_in(state.key, state.step)

    def objective(params):
        logits, model_state = apply(
            {"params": params, **state.model_state},
            batch["image"],
            train=True,
            rngs={"dropout": dropout_key},
            mutable=list(state.model_state) or ["batch_stats"],
        )
        return jnp.mean(loss(logits, batch["label"])), (logits, model_state)

    (value, (logits, model_state)), grads = jax.value_and_grad(objective, has_aux=True)(
        state.params
    )
    gradient_norm = optax.tree.norm(grads)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    new = State(
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        model_state=model_state,
        opt_state=opt_state,
        key=state.key,
    )
    finite = jnp.isfinite(value) & jnp.isfinite(gradient_norm)
    applied = finite & (batch["step"] == state.step)
    new = jax.tree.map(lambda new, old: jnp.where(applied, new, old), new, state)
    return new, {
        "loss": value,
        "top1_error": jnp.mean(jnp.argmax(logits, -1) != batch["label"]),
        "gradient_norm": gradient_norm,
        "learning_rate": applied_rate(opt_state),
        "applied": applied,
    }
