"""What a step exchanges and waits for on 8 to 4,096 chips, from published rates and link speeds."""

import dataclasses
import itertools

import numpy as np

from cnn_history import accounting
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, picture

QUESTION = (
    "it has no slide on this. What does one step of data-parallel training exchange, and how long "
    "does it wait, on 8 to 4,096 chips?"
)
CAPTION = (
    "Share of its time that a chip computes, against the number of chips, for 256 and 16 images a "
    "chip: the gradient around one ring of all chips, over the two dimensions of a torus, and the "
    "same with batch norm over all images. VGG16 has no norms."
)
BYTES = 4  # of a float32 gradient
NETWORKS = {"resnet50": 53, "vgg16": 0}  # and their norms
# Reductions of a norm over all devices that cannot wait: of a first mean, of what remains of it and
# its square, and on the way back (counted in the compiled step, results/processes).
REDUCTIONS = 3
CHIPS = {8: (4, 2), 64: (8, 8), 512: (32, 16), 4096: (128, 32)}  # sides of the torus
IMAGES = (256, 16)  # of a chip
VARIANTS = {"smoke": {}}


@dataclasses.dataclass(frozen=True)
class Machine:
    """What is published of one, but for the latency, which is assumed.

    Attributes:
      rate: images/s of a chip that trains ResNet-50 beside a few others.
      ring: bytes/s that a member of a ring sends.
      hop: seconds until a message of no length is at the neighbour.
    """

    rate: float
    ring: float
    hop: float


# MLPerf v0.7, 16 chips: 1,766 images/s each, evaluation included. A pod of 1,024 reduces
# 340 TB/s (Google's documentation): a quarter for each of a chip's four links, of which a ring
# along one dimension has two, one way each.
TPU_V3 = Machine(rate=1766, ring=340e12 / 1024 / 4, hop=1e-6)
PUBLISHED = {16: 1766, 4096: 1016}  # images/s of a chip, MLPerf v0.7, JAX with 16 images at 4,096
# Goyal et al. 2017: 256 GPUs do 90 passes in an hour at 0.9 of what eight do in one server; servers
# of eight at 50 Gbit/s, 32 images a GPU, so that a ring has 32 members.
GOYAL_IMAGES, GOYAL_SERVERS, GOYAL_EFFICIENCY = 32, 32, 0.9
SERVER = Machine(rate=90 * 1_281_167 / 3600 / 256 / GOYAL_EFFICIENCY, ring=50e9 / 8, hop=5e-5)


def around_ring(size: float, members: int, machine: Machine) -> float:
    """Return the seconds of an all-reduce of `size` bytes around one ring.

    2 (n - 1) messages of a n-th part each, n - 1 to add and n - 1 to spread (the alpha-beta model).
    """
    messages = 2 * (members - 1)
    return messages * (size / members / machine.ring + machine.hop)


def over_torus(size: float, sides: tuple[int, int], machine: Machine) -> float:
    """Return the seconds of an all-reduce of `size` bytes over a torus.

    Half of it is added along one dimension, the part that each member then has along the other,
    and spread the same way back; the other half meanwhile in the other order.
    """

    def half(first: int, second: int) -> float:
        along = around_ring(size / 2, first, machine)
        return along + around_ring(size / 2 / first, second, machine)

    return max(half(*sides), half(*reversed(sides)))


def seconds_of_images(network: str, images: int, machine: Machine) -> float:
    """Return the seconds in which a chip makes a gradient.

    No rate of VGG16 is published for these machines: ResNet-50's multiply-adds a second are taken.
    """
    macs = {name: accounting.account(name).macs for name in ("resnet50", network)}
    return images / machine.rate * macs[network] / macs["resnet50"]


def row(network: str, images: int, chips: int) -> dict:
    """Return what a step takes on so many chips of TPU v3; nothing is hidden behind anything."""
    parameters = accounting.account(network).parameters
    compute = seconds_of_images(network, images, TPU_V3)
    ring = around_ring(BYTES * parameters, chips, TPU_V3)
    torus = over_torus(BYTES * parameters, CHIPS[chips], TPU_V3)
    # Two numbers a channel are so few that only the hops count.
    statistics = NETWORKS[network] * REDUCTIONS * over_torus(0, CHIPS[chips], TPU_V3)
    return {
        "network": network,
        "chips": chips,
        "images_per_chip": images,
        "sent_mb": 2 * (chips - 1) / chips * BYTES * parameters / 1e6,
        "compute_ms": 1e3 * compute,
        "ring_ms": 1e3 * ring,
        "torus_ms": 1e3 * torus,
        "norms_over_all_ms": 1e3 * statistics,
        "efficiency_ring": compute / (compute + ring),
        "efficiency_torus": compute / (compute + torus),
        "efficiency_norms_over_all": compute / (compute + torus + statistics),
    }


def goyal() -> float:
    """Return the efficiency that the model gives for the servers of Goyal et al. 2017."""
    size = BYTES * accounting.account("resnet50").parameters
    compute = GOYAL_IMAGES / SERVER.rate
    return compute / (compute + around_ring(size, GOYAL_SERVERS, SERVER))


def run() -> Findings:
    """Make the table."""
    at = {case: row(*case) for case in itertools.product(NETWORKS, IMAGES, CHIPS)}
    return Findings(QUESTION, _answer(at), list(at.values()), {"scaling.png": _draw(at)})


def _answer(at: dict[tuple[str, int, int], dict]) -> str:
    full, thin = (at["resnet50", images, 4096] for images in IMAGES)
    vgg = at["vgg16", IMAGES[1], 4096]
    model = thin["efficiency_torus"] * TPU_V3.rate
    return (
        f"A chip sends {full['sent_mb']:.0f} MB a step with ResNet-50 and {vgg['sent_mb']:,.0f} MB "
        f"with VGG16, however many there are. Of 4,096, each computes "
        f"{full['efficiency_torus']:.0%} of its time with 256 images, "
        f"{thin['efficiency_torus']:.0%} with 16 (VGG16 "
        f"{vgg['efficiency_torus']:.0%}). What breaks first is batch norm over all images: its "
        f"{NETWORKS['resnet50'] * REDUCTIONS} small reductions wait "
        f"{thin['norms_over_all_ms']:.0f} ms for hops alone, beside {thin['compute_ms']:.1f} ms of "
        f"work and {thin['torus_ms']:.1f} ms for the gradient; group_size takes them away. Then "
        f"one ring of all chips ({thin['ring_ms']:.1f} ms). Beside what was published: "
        f"{goyal():.2f} for 256 GPUs against {GOYAL_EFFICIENCY} (Goyal et al. 2017), and "
        f"{model:,.0f} images/s a chip at 4,096 against {PUBLISHED[4096]:,} (MLPerf v0.7, JAX), so "
        f"that the exchange explains {TPU_V3.rate - model:,.0f} of the "
        f"{PUBLISHED[16] - PUBLISHED[4096]:,} lost: batches of 16 that fill a chip badly, "
        f"evaluations and the start are not in the model."
    )


@picture(CAPTION, 1, 2, figsize=(8, 3.2), sharey=True)
def _draw(panels, at: dict[tuple[str, int, int], dict]) -> None:
    curves = {
        "efficiency_torus": ("torus", style.RIGHT),
        "efficiency_ring": ("one ring", style.TRAIN),
        "efficiency_norms_over_all": ("torus, norms over all images", style.TEST),
    }
    for axes, network in zip(panels, NETWORKS, strict=True):
        for (name, (label, colour)), images in itertools.product(curves.items(), IMAGES):
            if NETWORKS[network] or "norms" not in name:
                found = [at[network, images, chips][name] for chips in CHIPS]
                line = "-" if images == IMAGES[0] else "--"
                look = {"marker": ".", "color": colour, "label": f"{label}, {images} a chip"}
                axes.plot(list(CHIPS), found, line, **look)
        axes.set(xscale="log", xlabel="chips", title=network, ylim=(0, 1.05))
        axes.set_xticks(list(CHIPS), [f"{n:,}" for n in CHIPS])
        axes.minorticks_off()
    published = np.array(list(PUBLISHED.values())) / TPU_V3.rate
    look = {"color": style.PAPER, "label": "published (MLPerf v0.7)"}
    panels[0].plot(list(PUBLISHED), published, "D", **look)
    panels[0].set_ylabel("share of the time that computes")
    panels[1].legend(*panels[0].get_legend_handles_labels(), fontsize=7, loc="lower left")
