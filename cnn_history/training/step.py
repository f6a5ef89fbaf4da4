"""One step of training, a pure function for the caller to jit."""

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
    """Return the state after one update, and metrics.

    A step is refused if a quantity is not finite (input, logits, loss, gradient, update or running
    statistics): it returns the old state, `applied` is 0, and `first_bad` is the quantity's index
    in `finite.quantities`. A batch prepared for another step than the state's is refused too. So
    after one refusal all later batches are refused, no matter when the caller checks.

    The first `skips` steps that are not finite are skipped instead: training continues with the old
    state and the next batch. The state counts them.

    Optimizers that ask for optax's extra arguments get `value`, `grad`, `value_fn` (params -> the
    loss of this batch with this step's dropout, without new running statistics), the results of
    `differentiate`, and `extra`. Functions among them cost nothing unless called.

    Args:
      state: the state; it may be donated.
      batch: `image` [n, h, w, c] as the network takes it, `label` int [n], and `step`, the number
        of the update for which it was made.
      apply: the network's `apply(variables, images, train=, rngs=, mutable=)`.
      loss: (logits, labels) -> [n]; of a network with auxiliary heads, `(logits, heads)`.
      optimizer: updates the parameters.
      applied_rate: optimizer state -> the learning rate of its last update.
      differentiate: one of `training/differentiate.py`.
      extra: further extra arguments for the optimizer, such as `curvature_fn`.
      layers: layers to train, such as `fc` or `conv2_1/conv1`; empty for all. The optimizer's
        state covers only these.
      skips: number of steps of a run that may be skipped.
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
