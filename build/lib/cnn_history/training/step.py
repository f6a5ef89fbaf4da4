"""One step of training: pure, to be jitted by the caller."""

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from cnn_history import losses
from cnn_history.training import finite, trained
from cnn_history.training.differentiate import plainly
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
    differentiate: Callable = plainly,
    extra: Mapping[str, Any] = types.MappingProxyType({}),
    layers: Sequence[str] = (),
    skips: int = 0,
) -> tuple[State, Metrics]:
    """Return the state after one update, and what is to be known of it.

    What is not finite (input, logits, loss, gradient, update or running statistics) is never
    applied: the old state is returned, `applied` is 0, and `first_bad` the first such quantity's
    place among `finite.quantities`. Nor is a batch that was made for another step than the state's,
    which keeps all later batches out once one was refused, whether the caller looks at once, one
    step later, or after a scan.

    The first `skips` steps that are not finite are skipped instead: the old state goes on to the
    next step, and so do later batches. How many were, the state remembers.

    What the optimizer may want beyond the gradient reaches it as optax's extra arguments, and one
    that does not ask for them never sees them: `value`, `grad` and `value_fn`, params -> the loss
    of this batch with this step's dropout, whose running statistics are thrown away; what
    `differentiate` found; and `extra`. Functions cost nothing until they are called.

    Args:
      state: not changed, though it may be donated.
      batch: `image` [n, h, w, c] as the network takes it, `label` int [n], and `step`, the number
        of the update that it was made for.
      apply: the network's `apply(variables, images, train=, rngs=, mutable=)`.
      loss: (logits, labels) -> [n]; of a network with auxiliary heads, `(logits, heads)`.
      optimizer: updates the parameters.
      applied_rate: optimizer state -> the learning rate of its last update.
      differentiate: as those of `training/differentiate.py`.
      extra: further extra arguments for the optimizer, such as `curvature_fn`.
      layers: that are trained, `fc` or `conv2_1/conv1`; empty for all. The optimizer's state is of
        these alone.
      skips: how many steps of a run may be skipped.
    """
    key = jax.random.fold_in(state.key, state.step)

    def forward(params, images, key):
        return apply(
            {"params": trained.put(params, state.params), **state.model_state},
            images,
            train=True,
            rngs={"dropout": key},
            mutable=list(state.model_state) or ["batch_stats"],
        )

    params = trained.pick(state.params, layers)

    def objective(logits, labels):
        return jnp.mean(loss(logits, labels))

    value, grads, (logits, model_state), found = differentiate(
        forward, objective, params, batch["image"], batch["label"], key
    )
    updates, opt_state = optax.with_extra_args_support(optimizer).update(
        grads,
        state.opt_state,
        params,
        value=value,
        grad=grads,
        value_fn=lambda params: objective(forward(params, batch["image"], key)[0], batch["label"]),
        **found,
        **extra,
    )
    new = State(
        step=state.step + 1,
        params=trained.put(optax.apply_updates(params, updates), state.params),
        model_state=model_state,
        opt_state=opt_state,
        key=state.key,
        skipped=state.skipped,
    )
    first_bad, norms = finite.first_bad(batch["image"], logits, value, grads, updates, model_state)
    fits = batch["step"] == state.step
    applied = fits & (first_bad < 0)
    skipped = fits & (first_bad >= 0) & (state.skipped < skips)
    new = jax.tree.map(lambda new, old: jnp.where(applied, new, old), new, state)
    new = new.replace(step=new.step + skipped, skipped=new.skipped + skipped)
    return new, {
        "loss": value,
        "top1_error": jnp.mean(jnp.argmax(losses.of_main(logits), -1) != batch["label"]),
        **norms,
        "learning_rate": applied_rate(opt_state),
        "applied": applied,
        "skipped": skipped,
        "first_bad": first_bad,
    }
