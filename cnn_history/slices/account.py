"""Account of a run on a slice: its compiled programs, and the largest batch that fits."""

from collections.abc import Callable, Collection

import jax

from cnn_history.experiment import Experiment
from cnn_history.slices import compilation, programs, search, topology
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


def largest(found: dict, make: Callable[[int], Make], multiple: int = 1) -> dict:
    """Return the largest batch whose step fits, found by `search.largest`.

    Args:
      found: the result of `account`.
      make: batch size -> a function that makes its experiment.
      multiple: must divide the number of images per device.
    """
    chip, _ = topology.parse(found["topology"])
    mesh = devices.mesh(topology.devices(found["topology"]))

    def measure(images: int) -> dict:
        experiment = make(images * mesh.size)(mesh)
        step = programs.traced(experiment, mesh)["step"]
        return compilation.compiled(step, chip, programs.state(experiment, mesh), mesh.size)

    return search.largest(measure, found["images_per_device"], found["programs"]["step"], multiple)
