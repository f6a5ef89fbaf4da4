"""The suites of networks: each case here, beside PyTorch where that is asked for."""

import dataclasses
import gc
from collections.abc import Callable

import jax

from cnn_history.benchmarks import ours, rounds
from cnn_history.benchmarks.cases import Case


@dataclasses.dataclass(frozen=True)
class How:
    """How long is measured, and beside what.

    Attributes:
      rounds: turns of each contestant.
      seconds: that a turn takes, about.
      torch: whether PyTorch runs too.
    """

    rounds: int
    seconds: float
    torch: bool


def measure(case: Case, how: How) -> dict:
    """Return the row of a case."""
    mine = ours.make(case)
    contestants = {"cnn_history": mine.run, **(_torch(case, mine) if how.torch else {})}
    found = rounds.alternate(contestants, how.rounds, how.seconds)
    own = found.pop("cnn_history")
    row = {
        **dataclasses.asdict(case),
        "parameters": mine.parameters,
        "images_per_second": case.batch / rounds.spread(own)["median"],
        "seconds_per_step": rounds.spread(own),
        "compile_seconds": mine.compile_seconds,
        "memory_bytes": mine.memory,
    }
    if found:
        fastest = rounds.fastest(found)
        row["ratio"] = rounds.ratio(own, found[fastest])
        row["beside"] = f"PyTorch, {fastest}"
        row["others"] = [
            {
                "name": f"PyTorch, {name}",
                "images_per_second": case.batch / rounds.spread(times)["median"],
                "seconds_per_step": rounds.spread(times),
            }
            for name, times in found.items()
        ]
    del mine, contestants
    gc.collect()  # what this case holds on the device goes before the next one's comes
    return row


def _torch(case: Case, mine: ours.Ours) -> dict[str, Callable[[int], None]]:
    from cnn_history.benchmarks import beside_torch  # an extra

    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    made = {}
    for way in beside_torch.WAYS[device]:
        made[way], parameters = beside_torch.make(case, way, device)
        assert parameters == mine.parameters, f"{case.network} in PyTorch has {parameters}"
    return made
