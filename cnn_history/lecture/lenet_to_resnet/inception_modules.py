"""The lecture's arithmetic of Inception modules, naive and with bottlenecks."""

from cnn_history import accounting
from cnn_history.lecture.claim import AGREES, ERRS, Finding, slide
from cnn_history.lecture.read_off import product, shape
from cnn_history.studies import inception_cost
from cnn_history.studies.inception_cost import operations
from cnn_history.studies.stack import Stack

NAIVE, BOTTLENECK = "naive", "bottleneck"


def term(module: str, name: str, factors: tuple[int, ...]) -> Finding:
    """The multiply-adds of one convolution."""
    return product(factors, operations(module).get(name.replace("/", "_"), 0))


def depth(module: str, said: int) -> Finding:
    """The depth of the output, the sum over all branches."""
    found = inception_cost.depth(module)
    return Finding(f"28x28x{found}", found == said)


def total(module: str, said: int) -> Finding:
    """The multiply-adds of a module, in millions."""
    terms = operations(module)
    found = sum(terms.values())
    twice = inception_cost.counted_twice(terms, said)
    slip = " or ".join(f"the {x} term counted twice ({found + terms[x]:,})" for x in twice)
    return Finding(
        f"{found:,} = {found / 1e6:.0f}M",
        round(found / 1e6) == said,
        f"The six terms sum to {found:,}; {said}M is the same sum with {slip}." if slip else "",
    )


def ratio(said: float) -> Finding:
    """The factor that bottlenecks save; the lecture's totals imply `said`."""
    naive, bottleneck = (sum(operations(module).values()) for module in (NAIVE, BOTTLENECK))
    found = naive / bottleneck
    return Finding(
        f"{found:.2f}x fewer",
        round(found, 1) == round(said, 1),
        f"The factor is {found:.2f}. The slide's totals imply {said:.2f}, by the same slip.",
    )


def grows() -> Finding:
    """The depth, compared with that of the pooling branch, which keeps the input's depth."""
    kept, found = inception_cost.INPUT[-1], inception_cost.depth(NAIVE)
    return Finding(f"{found} > {kept}, the depth of the pooling branch alone", found > kept)


def shallower() -> Finding:
    """The depths of both modules."""
    naive, bottleneck = (inception_cost.depth(module) for module in (NAIVE, BOTTLENECK))
    return Finding(f"{bottleneck} instead of {naive}", bottleneck < naive)


def one_by_one(before: tuple[int, ...], after: tuple[int, ...]) -> Finding:
    """The output shape and weights of a 1x1 convolution."""
    _, (layer,) = accounting.trace(Stack(((1, 1),), after[-1]), before)
    text = f"{shape(before)} -> {shape(layer.output)}, {layer.weights:,} weights"
    return Finding(text, layer.output == after)


# A term is the product on the slide, h·w·filters·kh·kw·depth.
CLAIMS = (
    *slide(
        "Naive inception",
        ("C111", "output 28x28x(128+192+96+256) = 28x28x672", AGREES, depth, NAIVE, 672),
        ("C112", "[1x1,128] term", AGREES, term, NAIVE, "1x1", (28, 28, 128, 1, 1, 256)),
        ("C113", "[3x3,192] term", AGREES, term, NAIVE, "3x3", (28, 28, 192, 3, 3, 256)),
        ("C114", "[5x5,96] term", AGREES, term, NAIVE, "5x5", (28, 28, 96, 5, 5, 256)),
        ("C115", "Total: 854M ops", AGREES, total, NAIVE, 854),
        ("C116", "depth after concatenation can only grow", AGREES, grows),
    ),
    *slide(
        "Bottleneck inception",
        ("C117", "[1x1,64] term", AGREES, term, BOTTLENECK, "3x3_reduce", (28, 28, 64, 1, 1, 256)),
        ("C118", "[1x1,64] term", AGREES, term, BOTTLENECK, "5x5_reduce", (28, 28, 64, 1, 1, 256)),
        ("C119", "[1x1,128] term", AGREES, term, BOTTLENECK, "1x1", (28, 28, 128, 1, 1, 256)),
        ("C120", "[3x3,192 on 64] term", AGREES, term, BOTTLENECK, "3x3", (28, 28, 192, 3, 3, 64)),
        ("C121", "[5x5,96 on 64] term", AGREES, term, BOTTLENECK, "5x5", (28, 28, 96, 5, 5, 64)),
        ("C122", "[1x1,64 pool] term", AGREES, term, BOTTLENECK, "pool_proj",
         (28, 28, 64, 1, 1, 256)),
        ("C123", "Total: 358M ops", ERRS, total, BOTTLENECK, 358),
        ("C124", "Compared to 854M for naive", ERRS, ratio, 854 / 358),
        ("C125", "Bottleneck can also reduce depth after pooling", AGREES, shallower),
    ),
    *slide(
        "1x1 convolutions",
        ("C126", "1x1 CONV with 32 filters, each 1x1x64, preserves spatial dims, reduces depth",
         AGREES, one_by_one, (56, 56, 64), (56, 56, 32)),
    ),
)  # fmt: skip
