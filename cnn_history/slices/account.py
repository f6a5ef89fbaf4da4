"""Account of a run on a slice: its compiled programs."""

from collections.abc import Callable, Collection

import jax

from cnn_history.experiment import Experiment
from cnn_history.slices import compilation, programs, topology
from cnn_history.training import devices

Make = Callable[[jax.sharding.Mesh], Experiment]


def account(topology_name: str, make: Make, chosen: Collection[str] = programs.PROGRAMS) -> dict:
    """Compile the programs of a run for a slice, and return their measurements.

    The keys beside `programs` are those of the step.

    Args:
      topology_name: such as v5e:2x4.
      make: a mesh -> the run's experiment, for that mesh.
      chosen: names in `programs.PROGRAMS`; the step is always included. Programs that the run does
        not have are left out, such as a scan over steps when images are streamed.
    """
    chip, _ = topology.parse(topology_name)
    there = topology.devices(topology_name)
    mesh = devices.mesh(there)
    experiment = make(mesh)
    state, traced = programs.state(experiment, mesh), programs.traced(experiment, mesh)
    made = {
        name: compilation.compiled(trace, chip, state, mesh.size)
        for name, trace in traced.items()
        if name == "step" or name in chosen
    }
    batch = experiment.plan.batch_size
    return {
        "topology": topology_name,
        "device_kind": there[0].device_kind,
        "devices": len(there),
        "model": experiment.model,
        "dataset": experiment.train.name,
        "image_size": experiment.size,
        "batch_size": batch,
        "images_per_device": batch // len(there),
        **made["step"],
        "programs": made,
        "seconds": round(sum(program["seconds"] for program in made.values()), 1),
    }
