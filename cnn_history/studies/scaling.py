"""Communication and waiting per training step on 8 to 4,096 chips, from published rates."""

import dataclasses
import functools
import itertools
import json
import pathlib
from typing import NamedTuple

import numpy as np

from cnn_history import accounting
from cnn_history.cpu.moments import MOST_DEVICES
from cnn_history.errors import UserError
from cnn_history.reporting import style
from cnn_history.slices import hlo
from cnn_history.studies.findings import Findings, picture

QUESTION = (
    "(No slide.) How much does one step of data-parallel training exchange, and how long does it "
    "wait, on 8 to 4,096 chips?"
)
CAPTION = (
    "Share of the time in which a chip computes, against the number of chips, for 256 and 16 "
    "images per chip: gradients around one ring of all chips, over the two dimensions of a torus, "
    "and over the torus with batch norm over all images. VGG-11 has no norms."
)
# Recorded rows of `compile`, training steps in bfloat16: what a step exchanges is read from them.
ROWS = {"resnet50": "resnet50_v5e_2x4_2_moments", "vgg11": "vgg_v5e_2x4"}
FOLDER = pathlib.Path(__file__).parents[2] / "results" / "compile"
# Up to `moments.MOST_DEVICES`, as in the rows, all devices gather the moments of each norm, and the
# backward pass reduces one sum. Beyond, there are three reductions: a first mean, the remaining
# mean with its square, and one in the backward pass (counted in results/processes).
REDUCTIONS = 3
FLOAT32 = 4  # bytes; for the servers of 2017, whose gradients were float32
CHIPS = {8: (4, 2), 64: (8, 8), 512: (32, 16), 4096: (128, 32)}  # sides of the torus
IMAGES = (256, 16)  # per chip
VARIANTS = {"smoke": {}}


@dataclasses.dataclass(frozen=True)
class Machine:
    """Published speeds of a machine; the latency is an assumption.

    Attributes:
      rate: images/s per chip in training ResNet-50 on few chips.
      ring: bytes/s that a member of a ring sends.
      hop: latency to a neighbour, in seconds.
    """

    rate: float
    ring: float
    hop: float


# MLPerf v0.7, 16 chips: 1,766 images/s each, with evaluation. A pod of 1,024 chips reduces 340 TB/s
# (Google's documentation), a quarter over each of a chip's four links. A ring along one dimension
# uses two of them, one for each direction.
TPU_V3 = Machine(rate=1766, ring=340e12 / 1024 / 4, hop=1e-6)
PUBLISHED = {16: 1766, 4096: 1016}  # images/s per chip, MLPerf v0.7; 4,096 by JAX, 16 images each
# Goyal et al. 2017: 256 GPUs do 90 passes in an hour, at 0.9 of the speed per GPU of one server of
# eight. With eight GPUs per server, a ring has 32 members. 50 Gbit/s, 32 images per GPU.
GOYAL_IMAGES, GOYAL_SERVERS, GOYAL_EFFICIENCY = 32, 32, 0.9
SERVER = Machine(rate=90 * 1_281_167 / 3600 / 256 / GOYAL_EFFICIENCY, ring=50e9 / 8, hop=5e-5)


class Exchanged(NamedTuple):
    """What one device exchanges in a step.

    Attributes:
      gradient: bytes of the gradient that are reduced.
      norms: number of norms over all images; each gathers moments once.
      told: bytes of all moments that a device tells the others.
      back: number of reductions for norms in the backward pass, without those that XLA merged into
        the gradient's.
    """

    gradient: int
    norms: int
    told: int
    back: int


@functools.cache
def exchanged(network: str) -> Exchanged:
    """Return what a network's recorded step exchanges; raise UserError if the row is missing."""
    path = FOLDER / f"{ROWS[network]}.json"
    if not path.exists():
        raise UserError(f"'{path}' is missing; the study scaling runs in a checkout.")
    row = json.loads(path.read_text())

    def total(what: str, kind: str, use: str) -> int:
        found = row["collectives"]
        return sum(one[what] for one in found if (one["kind"], one["use"]) == (kind, use))

    return Exchanged(
        gradient=total("bytes", "all-reduce", hlo.GRADIENT),
        norms=total("count", "all-gather", hlo.STATISTICS),
        told=total("bytes", "all-gather", hlo.STATISTICS) // row["devices"],
        back=total("count", "all-reduce", hlo.STATISTICS),
    )


def around_ring(size: float, members: int, machine: Machine) -> float:
    """Return the seconds of an all-reduce of `size` bytes around one ring.

    A member sends 2 (n - 1) messages of size / n: n - 1 to reduce and n - 1 to gather (the
    alpha-beta model).
    """
    messages = 2 * (members - 1)
    return messages * (size / members / machine.ring + machine.hop)


def over_torus(size: float, sides: tuple[int, int], machine: Machine) -> float:
    """Return the seconds of an all-reduce of `size` bytes over a torus.

    Half of the data is reduced along one dimension, each member's part then along the other, and
    gathered in reverse. Meanwhile, the other half takes the dimensions in the other order.
    """

    def half(first: int, second: int) -> float:
        along = around_ring(size / 2, first, machine)
        return along + around_ring(size / 2 / first, second, machine)

    return max(half(*sides), half(*reversed(sides)))


def seconds_of_images(network: str, images: int, machine: Machine) -> float:
    """Return the seconds that a chip takes for a gradient.

    No rate of VGG-11 is published for these machines, so it gets ResNet-50's multiply-adds/s.
    """
    macs = {name: accounting.account(name).macs for name in ("resnet50", network)}
    return images / machine.rate * macs[network] / macs["resnet50"]


def seconds_of_norms(network: str, chips: int) -> float:
    """Return the seconds in which norms over all images wait for other chips.

    A reduction of a few numbers per channel costs its latency alone. A gather is the second half of
    an all-reduce.
    """
    found, hops = exchanged(network), over_torus(0, CHIPS[chips], TPU_V3)
    if chips > MOST_DEVICES:
        return found.norms * REDUCTIONS * hops
    sent = over_torus(found.told * chips, CHIPS[chips], TPU_V3) - hops
    return found.norms * hops / 2 + found.back * hops + sent / 2


def row(network: str, images: int, chips: int) -> dict:
    """Return the times of a step on TPU v3 chips; communication does not overlap computation."""
    gradient = exchanged(network).gradient
    compute = seconds_of_images(network, images, TPU_V3)
    ring = around_ring(gradient, chips, TPU_V3)
    torus = over_torus(gradient, CHIPS[chips], TPU_V3)
    statistics = seconds_of_norms(network, chips)
    return {
        "network": network,
        "chips": chips,
        "images_per_chip": images,
        "sent_mb": 2 * (chips - 1) / chips * gradient / 1e6,
        "compute_ms": 1e3 * compute,
        "ring_ms": 1e3 * ring,
        "torus_ms": 1e3 * torus,
        "norms_over_all_ms": 1e3 * statistics,
        "efficiency_ring": compute / (compute + ring),
        "efficiency_torus": compute / (compute + torus),
        "efficiency_norms_over_all": compute / (compute + torus + statistics),
    }


def goyal() -> float:
    """Return the efficiency that the model predicts for the servers of Goyal et al. 2017."""
    size = FLOAT32 * accounting.account("resnet50").parameters
    compute = GOYAL_IMAGES / SERVER.rate
    return compute / (compute + around_ring(size, GOYAL_SERVERS, SERVER))


def run() -> Findings:
    """Compute the times of a step for each network, batch and number of chips."""
    at = {case: row(*case) for case in itertools.product(ROWS, IMAGES, CHIPS)}
    return Findings(QUESTION, _answer(at), list(at.values()), {"scaling.png": _draw(at)})


def _answer(at: dict[tuple[str, int, int], dict]) -> str:
    full, thin = (at["resnet50", images, 4096] for images in IMAGES)
    vgg = at["vgg11", IMAGES[1], 4096]
    model = thin["efficiency_torus"] * TPU_V3.rate
    return (
        f"Per step in bfloat16, a chip sends {full['sent_mb']:.0f} MB with ResNet-50 and "
        f"{vgg['sent_mb']:,.0f} MB with VGG-11, for any number of chips. Each of 4,096 chips "
        f"computes {full['efficiency_torus']:.0%} of the time with 256 images and "
        f"{thin['efficiency_torus']:.0%} with 16 (VGG-11 {vgg['efficiency_torus']:.0%}). The first "
        f"bottleneck is batch norm over all images: its "
        f"{exchanged('resnet50').norms * REDUCTIONS} small reductions wait "
        f"{thin['norms_over_all_ms']:.0f} ms for latency alone, with {thin['compute_ms']:.1f} ms "
        f"of computation and {thin['torus_ms']:.1f} ms for the gradient. group_size removes them. "
        f"The second is one ring of all chips ({thin['ring_ms']:.1f} ms). Predicted and published: "
        f"efficiency {goyal():.2f} and {GOYAL_EFFICIENCY} for 256 GPUs (Goyal et al. 2017); "
        f"{model:,.0f} and {PUBLISHED[4096]:,} images/s per chip for 4,096 chips (MLPerf v0.7, "
        f"JAX). So communication explains {TPU_V3.rate - model:,.0f} of the "
        f"{PUBLISHED[16] - PUBLISHED[4096]:,} images/s lost. The model leaves out that batches of "
        f"16 use a chip badly, evaluations and start-up."
    )


@picture(CAPTION, 1, 2, figsize=(8, 3.2), sharey=True)
def _draw(panels, at: dict[tuple[str, int, int], dict]) -> None:
    curves = {
        "efficiency_torus": ("torus", style.RIGHT),
        "efficiency_ring": ("one ring", style.TRAIN),
        "efficiency_norms_over_all": ("torus, norms over all images", style.TEST),
    }
    for axes, network in zip(panels, ROWS, strict=True):
        for (name, (label, colour)), images in itertools.product(curves.items(), IMAGES):
            if exchanged(network).norms or "norms" not in name:
                found = [at[network, images, chips][name] for chips in CHIPS]
                line = "-" if images == IMAGES[0] else "--"
                look = {"marker": ".", "color": colour, "label": f"{label}, {images} per chip"}
                axes.plot(list(CHIPS), found, line, **look)
        axes.set(xscale="log", xlabel="chips", title=network, ylim=(0, 1.05))
        axes.set_xticks(list(CHIPS), [f"{n:,}" for n in CHIPS])
        axes.minorticks_off()
    published = np.array(list(PUBLISHED.values())) / TPU_V3.rate
    look = {"color": style.PAPER, "label": "published (MLPerf v0.7)"}
    panels[0].plot(list(PUBLISHED), published, "D", **look)
    panels[0].set_ylabel("share of time spent computing")
    panels[1].legend(*panels[0].get_legend_handles_labels(), fontsize=7, loc="lower left")
