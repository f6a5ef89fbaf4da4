"""The graph of a network's layers, from the traced computation."""

from typing import NamedTuple

from jax.extend import core

from cnn_history.accounting.tracing import Traced, follow

INPUT = "input"


class Node(NamedTuple):
    """A layer, or a point where branches meet.

    Attributes:
      operation: `layer`, or the operation that joins branches: `concatenate`, `add`, `mul` ...
      sources: the nodes whose results it reads.
      shape: of its result, for one image.
    """

    operation: str
    sources: tuple[str, ...]
    shape: tuple[int, ...]


def graph(traced: Traced) -> dict[str, Node]:
    """Return the nodes by name, in the order of computation. Layers are named by their labels.

    The image is `input`, which has no node. An operation between layers that joins nothing, such as
    an activation function, belongs to the layer before it.
    """
    nodes = {}

    def node(eqn: core.JaxprEqn, reads: list[str | None]) -> str:
        sources, operation = tuple(dict.fromkeys(filter(None, reads))), eqn.primitive.name
        if operation == "name" and eqn.params["name"] in traced.calls:
            name, operation = eqn.params["name"], "layer"
        elif len(sources) > 1:
            name = f"{operation} {len(nodes)}"
        else:
            return sources[0]
        nodes[name] = Node(operation, sources, eqn.outvars[0].aval.shape[1:])
        return name

    follow(traced.jaxpr, {traced.jaxpr.invars[0]: INPUT}, node)
    return nodes
