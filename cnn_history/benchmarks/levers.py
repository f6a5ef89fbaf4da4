"""The suite `levers`: the gain of each way to speed up a step on a GPU.

A lever is an XLA option, another implementation of a layer, or another length of the loop over
steps. It takes turns with the unchanged step. If XLA does not know or cannot compile a lever, its
row has the error. Persisted autotuning is not among the levers: jax stores it with the compiled
programs, and `startup` measures both.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax

from cnn_history.benchmarks import alternatives, ours, rounds
from cnn_history.benchmarks.cases import GPU, Case
from cnn_history.benchmarks.suite import Effort, Suite
from cnn_history.cpu import form, pooling
from cnn_history.layers import forms

BUFFERED = "FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL,DYNAMIC_SLICE_FUSION,CONDITIONAL"
LOOPS = {"xla_gpu_enable_command_buffer": f"{BUFFERED},WHILE"}


class Lever(NamedTuple):
    """A change that may speed up a step.

    Attributes:
      options: XLA options, by name.
      forms: replacements of layers' functions, by name.
      as_on_cpu: forms to lower as for a CPU.
      stride: steps per call; None for as many as in a run.
      unroll: unrolled iterations of the loop over steps.
    """

    options: ours.Options = ours.NONE
    forms: Mapping[str, Callable] = {}
    as_on_cpu: tuple[type[form.Form], ...] = ()
    stride: int | None = None
    unroll: int = 1


OF_XLA = {
    "no_command_buffers": Lever({"xla_gpu_enable_command_buffer": ""}),
    "command_buffers_of_loops": Lever({**LOOPS, "xla_gpu_graph_min_graph_size": 1}),
    "command_buffers_of_unrolled_loops": Lever(
        {**LOOPS, "xla_gpu_command_buffer_unroll_loops": True}
    ),
    "launches_overlapped": Lever({"xla_gpu_enable_pdl_launch": True}),
    "images_as_nchw": Lever({"xla_gpu_force_conv_nchw": True}),
    "images_as_nhwc": Lever({"xla_gpu_force_conv_nhwc": True}),
    "convolutions_fused": Lever({"xla_gpu_experimental_enable_conv_fusion": True}),
    "products_fused_by_cudnn": Lever({"xla_gpu_cudnn_gemm_fusion_level": 3}),
    "products_by_cublas": Lever({"xla_gpu_enable_triton_gemm": False}),
    "fusions_autotuned": Lever({"xla_gpu_experimental_enable_fusion_autotuner": True}),
}
OF_STATISTICS = {
    "statistics_in_one_pass": Lever(forms={"statistics": alternatives.without_first_mean}),
    "statistics_by_pallas": Lever(forms={"statistics": alternatives.by_pallas}),
}
OF_IMAGES = {
    "space_to_depth": Lever(forms={"convolve": alternatives.space_to_depth}),
    "pooling_by_place": Lever(as_on_cpu=pooling.MAX_POOL),
}
OF_A_SCAN = {f"{n}_steps_a_call": Lever(stride=n) for n in (1, 10, 1000)} | {
    f"unrolled_by_{n}": Lever(unroll=n) for n in (2, 5)
}
LEVERS: dict[str, dict[str, Lever]] = {
    "resnet50_v1_5": OF_XLA | OF_STATISTICS | OF_IMAGES,
    "resnet20": OF_XLA
    | OF_A_SCAN
    | {"statistics_in_one_pass": OF_STATISTICS["statistics_in_one_pass"]},
    "vgg16": {n: OF_XLA[n] for n in ("convolutions_fused", "images_as_nhwc")}
    | {"pooling_by_place": OF_IMAGES["pooling_by_place"]},
    "alexnet_2012": OF_IMAGES
    | {"groups_apart": Lever(forms={"convolve": alternatives.groups_apart})},
    "googlenet": OF_IMAGES,
}
CASES = {case.network: case for case in GPU if case.mode == "train" and case.network in LEVERS}


def measure(names: set[str], effort: Effort, ceilings: dict) -> Iterator[dict]:
    """Yield a row for each chosen lever."""
    for network, levers in LEVERS.items():
        for name, lever in levers.items():
            if f"{network}:{name}" in names:
                yield beside(CASES[network], name, lever, effort)


def beside(case: Case, name: str, lever: Lever, effort: Effort) -> dict:
    """Return the row of a lever: its speed beside the unchanged step's, or the error."""
    row = {**case._asdict(), "lever": name}
    plain = _plain(case)
    try:
        changed = make(case, lever)
        contestants = {"with": changed.run, "without": plain.run}
        found = rounds.alternate(contestants, effort.rounds, effort.seconds)
    except Exception as error:  # from the compiler, for lack of memory, or from an unfit form
        return {**row, "failed": f"{type(error).__name__}: {error}".splitlines()[0]}
    seconds = [time / changed.steps for time in found["with"]]
    return {
        **row,
        "images_per_second": case.batch / rounds.spread(seconds)["median"],
        "seconds_per_step": rounds.spread(seconds),
        "times_without": rounds.ratio(seconds, [time / plain.steps for time in found["without"]]),
        "compile_seconds": changed.compile_seconds,
        "compile_seconds_without": plain.compile_seconds,
        "memory_bytes": changed.memory,
        "memory_bytes_without": plain.memory,
    }


def make(case: Case, lever: Lever) -> ours.Ours:
    """Return a case, compiled with a lever."""
    jax.clear_caches()
    try:
        with forms.replaced(**lever.forms), form.as_on_cpu(*lever.as_on_cpu):
            return ours.make(case, lever.options, lever.stride, lever.unroll)
    finally:
        jax.clear_caches()  # other measurements must not reuse these traces


@functools.lru_cache(maxsize=1)  # a network's levers follow each other
def _plain(case: Case) -> ours.Ours:
    return ours.make(case)


SUITE = Suite(
    tuple(f"{network}:{name}" for network, levers in LEVERS.items() for name in levers),
    measure,
    beside_torch=False,
    on_gpu=True,
)
