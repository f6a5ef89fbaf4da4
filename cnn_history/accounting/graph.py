"""How the layers of a network feed each other, from the traced computation."""

from typing import NamedTuple

from jax.extend import core

from cnn_history.accounting.tracing import Traced

INPUT = "input"


class Node(NamedTuple):
    """A layer, or a place where branches meet.

    Attributes:
      operation: `layer`, or that of a meeting: `concatenate`, `add`, `mul` ...
      sources: the nodes whose results it reads.
      shape: of its result for one image.
    """

    operation: str
    sources: tuple[str, ...]
    shape: tuple[int, ...]


def graph(traced: Traced) -> dict[str, Node]:
    """Return the nodes by name, in the order of computation: layers by their label, then meetings.

    The image is `input`, which has no node of its own. What lies between layers and joins nothing,
    such as an activation function, belongs to the layer before.
    """
    nodes = {}
    _walk(traced.jaxpr, {traced.jaxpr.invars[0]: INPUT}, traced, nodes)
    return nodes


def _walk(jaxpr: core.Jaxpr, origins: dict, traced: Traced, nodes: dict[str, Node]) -> None:
    """Add to `origins` the node that each variable comes from, and to `nodes` those on the way."""
    for eqn in jaxpr.eqns:
        reads = [None if isinstance(v, core.Literal) else origins.get(v) for v in eqn.invars]
        sources = tuple(dict.fromkeys(name for name in reads if name))
        if not sources:
            continue  # it does not depend on the image
        inner = next((p for p in eqn.params.values() if isinstance(p, core.ClosedJaxpr)), None)
        if inner is not None:
            inside = {v: o for v, o in zip(inner.jaxpr.invars, reads, strict=True) if o}
            _walk(inner.jaxpr, inside, traced, nodes)
            made = [
                None if isinstance(v, core.Literal) else inside.get(v) for v in inner.jaxpr.outvars
            ]
        else:
            made = [_node(eqn, sources, traced, nodes)] * len(eqn.outvars)
        origins.update({v: o for v, o in zip(eqn.outvars, made, strict=True) if o})


def _node(
    eqn: core.JaxprEqn, sources: tuple[str, ...], traced: Traced, nodes: dict[str, Node]
) -> str:
    """Return the node that the result of an equation comes from, a new one where it makes one."""
    operation = eqn.primitive.name
    if operation == "name" and eqn.params["name"] in traced.calls:
        name, operation = eqn.params["name"], "layer"
    elif len(sources) > 1:
        name = f"{operation} {len(nodes)}"
    else:
        return sources[0]
    nodes[name] = Node(operation, sources, eqn.outvars[0].aval.shape[1:])
    return name
