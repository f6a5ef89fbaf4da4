"""Weight decay as a term of the objective."""

from collections.abc import Callable
from typing import Any

import jax
import optax


def add_l2(
    rule: optax.GradientTransformation,
    weight_decay: float,
    mask: Callable[[Any], Any] = lambda params: True,
) -> optax.GradientTransformationExtraArgs:
    r"""Let `rule` minimize $f(w) + \frac{\lambda}{2} \sum_{i \in \text{mask}} w_i^2$.

    The rule gets the gradient $g + \lambda w$ (coupled weight decay), and `value`, `grad` and
    `value_fn` of the same sum, so that line searches and Hessians are consistent with the gradient.

    Args:
      rule: any optimizer.
      weight_decay: λ.
      mask: params -> a tree of bool, or one bool for a whole branch, true for decayed parameters.
    """
    rule = optax.with_extra_args_support(rule)

    def penalty(params):
        def square(kept, part):
            return optax.tree.norm(part, squared=True) if kept else 0.0

        return weight_decay / 2 * sum(jax.tree.leaves(jax.tree.map(square, mask(params), params)))

    def decayed(gradient, params):
        return optax.tree.add(gradient, jax.grad(penalty)(params))

    terms = {
        "value": lambda value, params: value + penalty(params),
        "grad": decayed,
        "value_fn": lambda function, params: lambda params: function(params) + penalty(params),
    }

    def update(updates, state, params, **extra):
        whole = {k: terms[k](x, params) if k in terms else x for k, x in extra.items()}
        return rule.update(decayed(updates, params), state, params, **whole)

    return optax.GradientTransformationExtraArgs(rule.init, update)
