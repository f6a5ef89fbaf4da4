"""The suites of networks: the speed of each case and, on request, of PyTorch."""

import gc
from collections.abc import Callable, Iterator

import jax

from cnn_history import build
from cnn_history.benchmarks import bounds, ceilings, ours, rounds
from cnn_history.benchmarks.cases import Case, networks
from cnn_history.benchmarks.suite import Effort, Suite


def suite(cases: tuple[Case, ...], on_gpu: bool = False) -> Suite:
    """Return a suite that measures these cases."""

    def ceiling(names: set[str], effort: Effort) -> dict[str, dict[str, float]]:
        dtypes = dict.fromkeys(case.dtype for case in cases if case.network in names)
        return {dtype: ceilings.measure(dtype, effort.rounds, effort.seconds) for dtype in dtypes}

    def rows(names: set[str], effort: Effort, found: dict) -> Iterator[dict]:
        for case in cases:
            if case.network in names:
                yield measure(case, effort, found[case.dtype])

    return Suite(networks(cases), rows, ceiling, on_gpu=on_gpu)


def measure(case: Case, effort: Effort, ceiling: dict[str, float]) -> dict:
    """Return the row of a case, compared with the device's ceilings (`ceilings.measure`)."""
    mine = ours.make(case)
    contestants = {"cnn_history": mine.run, **(_torch(case, mine) if effort.torch else {})}
    found = rounds.alternate(contestants, effort.rounds, effort.seconds)
    own = [seconds / mine.steps for seconds in found.pop("cnn_history")]
    speed = _speed(case, rounds.spread(own))
    row = {
        **case._asdict(),
        **speed,
        "compile_seconds": mine.compile_seconds,
        "memory_bytes": mine.memory,
        "parameters": mine.parameters,
        **_limits(case, speed["images_per_second"], ceiling),
    }
    if found:
        row["beside"] = rounds.fastest(found)
        row["ratio"] = rounds.ratio(own, found[row["beside"]])
        row["others"] = [
            {"name": name, **_speed(case, rounds.spread(times))} for name, times in found.items()
        ]
    del mine, contestants
    gc.collect()  # free this case's device memory before the next one
    return row


def _speed(case: Case, seconds: dict[str, float]) -> dict:
    return {"images_per_second": case.batch / seconds["median"], "seconds_per_step": seconds}


def _limits(case: Case, speed: float, ceiling: dict[str, float]) -> dict:
    """Return the work of a step per image, and the shares of the device's ceilings reached."""
    peak, bandwidth = ceiling["operations_per_second"], ceiling["bytes_per_second"]
    width = build.DTYPES[case.dtype].dtype.itemsize
    found = bounds.bounds(case.network, case.mode, case.batch, width, peak, bandwidth)
    unfused = found["compiler"]
    return {
        "operations_per_image": unfused.operations,
        "bytes_per_image": unfused.bytes,
        "share_of_peak": speed * unfused.operations / peak,
        "share_of_bandwidth": speed * unfused.bytes / bandwidth,
        "share_of_bound": speed * unfused.seconds,
        "bounds": {name: 1 / bound.seconds for name, bound in found.items()},  # images a second
    }


def _torch(case: Case, mine: ours.Ours) -> dict[str, Callable[[int], None]]:
    from cnn_history.benchmarks import beside_torch  # an extra

    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    made = {}
    for way in beside_torch.WAYS[device]:
        made[f"PyTorch, {way}"], parameters = beside_torch.make(case, way, device)
        assert parameters == mine.parameters, f"{case.network} in PyTorch has {parameters}"
    return made
