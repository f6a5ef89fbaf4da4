"""Accounts against reference counts, or against counts by hand."""

import collections
import functools
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from cnn_history import accounting, layers, models
from tests.shared import SHARED, needs_shared


@functools.cache
def facts():
    return json.loads((SHARED / "facts/networks.json").read_text())


Size = collections.namedtuple("Size", "parameters macs activations depth")


def row(name):
    found = facts()["networks"][name]
    return Size(found["params"], found["macs"], found["activations_incl_input"], found.get("depth"))


def changed(name, parameters=0, macs=0, activations=0):
    """A row of the references plus what is added by hand."""
    size = row(name)
    return size._replace(
        parameters=size.parameters + parameters,
        macs=size.macs + macs,
        activations=size.activations + activations,
    )


def lenet5_1998():
    """Fig. 2: 1,024 inputs, 6 maps of 28² and 14², 16 of 10² and 5², 120, 84 and 10 units."""
    found = facts()["networks"]["lenet5_original"]
    maps = 6 * (28**2 + 14**2) + 16 * (10**2 + 5**2)
    return Size(found["trainable"], found["macs"], 1024 + maps + 120 + 84 + 10, found["depth"])


def vgg_lrn():
    """Column A-LRN of table 1: A, and a normalized copy of conv1's 64 maps of 224x224."""
    return changed("vgg_A", activations=224 * 224 * 64)


def vgg_bn(name, *maps):
    """A scale and a shift for each map of each convolution."""
    return changed(name, parameters=2 * sum(maps))


def aux_heads(name):
    """5x5/3 average pooling, 1x1 to 128, 1024 units, 1000 classes; behind 4a (512) and 4d (528)."""
    heads = changed("googlenet_paper_aux", *(-x for x in row("googlenet_paper")[:3]))
    return changed(name, macs=heads.macs, activations=heads.activations)._replace(
        parameters=facts()["torch_models"]["tv_googlenet_aux_params"]["params"]
    )


def inception_v3_head():
    """5x5/3 average pooling of 17x17x768, 1x1 to 128, 5x5 to 768, pooling, 1000 classes."""
    macs = 768 * 128 * 25 + 128 * 768 * 25 + 768 * 1000
    weights = 768 * 128 + 128 * 768 * 25 + 768 * 1000
    activations = 25 * 768 + 25 * 128 + 768 + 768 + 1000
    return changed("inception_v3", weights + 1000 + 2 * (128 + 768), macs, activations)


def resnet_v2(name, units):
    """The v1.5 network with norms in other places, each counted: three a unit, and a last one.

    A unit of f features reads the unit before (4 f maps but where a stage begins), and its 1x1
    works at the size of what it reads, since the 3x3 has the stride.
    """
    norms = maps = 0
    size, read = 56, 64
    for stage, (f, count) in enumerate(zip((64, 128, 256, 512), units, strict=True)):
        for i in range(count):
            before = size
            if stage > 0 and i == 0:
                size //= 2
            norms += before**2 * (read + f) + size**2 * f
            maps += read + f + f
            read = 4 * f
    norms, maps = norms + size**2 * read, maps + read
    convolutions = row(name)
    weights = facts()["networks"][name]["weights"] + 1000
    return convolutions._replace(
        parameters=weights + 2 * maps, activations=convolutions.activations + norms
    )


def preact_bottlenecks(n):
    """Table 4: 9n+2 layers: 16 maps, then n units of 16, 32 and 64 features each, 4 times out.

    A unit's norms and 1x1 convolutions; the first of a stage projects; its first 1x1 has the
    stride.
    """
    parameters, macs = 27 * 16, 27 * 16 * 32**2
    activations = 32**2 * (3 + 16)
    size, read = 32, 16
    for stage, f in enumerate((16, 32, 64)):
        for i in range(n):
            before = size
            if stage > 0 and i == 0:
                size //= 2
            weights = read * f + 9 * f * f + f * 4 * f
            outputs = f + f + 4 * f
            if i == 0:
                weights, outputs = weights + read * 4 * f, outputs + 4 * f
            parameters += weights + 2 * (read + f + f)
            macs += weights * size**2
            activations += size**2 * (outputs + 2 * f) + before**2 * read
            read = 4 * f
    parameters += 2 * read + read * 10 + 10
    return Size(
        parameters, macs + read * 10, activations + size**2 * read + read + 10, depth=9 * n + 2
    )


# Every registered network, and the options that change its size, with its reference.
CASES = {
    "lenet5": lambda: row("lenet5_modern"),
    "nin": lambda: row("nin_cifar10"),
    "lenet5_1998": lenet5_1998,
    "alexnet": lambda: row("alexnet_lecture_ungrouped"),
    "alexnet_2012": lambda: row("alexnet_paper_grouped"),
    "alexnet_owt": lambda: row("alexnet_owt"),
    "zfnet": lambda: row("zfnet_paper_fig3"),
    "zfnet_b": lambda: row("zfnet_lecture_512_1024_512"),
    "vgg11": lambda: row("vgg_A"),
    "vgg11_lrn": vgg_lrn,
    "vgg13": lambda: row("vgg_B"),
    "vgg16_c": lambda: row("vgg_C"),
    "vgg16": lambda: row("vgg_D"),
    "vgg19": lambda: row("vgg_E"),
    "vgg11_bn": lambda: vgg_bn("vgg_A", 64, 128, 2 * 256, 4 * 512),
    "vgg13_bn": lambda: vgg_bn("vgg_B", 2 * 64, 2 * 128, 2 * 256, 4 * 512),
    "vgg16_bn": lambda: vgg_bn("vgg_D", 2 * 64, 2 * 128, 3 * 256, 6 * 512),
    "vgg19_bn": lambda: vgg_bn("vgg_E", 2 * 64, 2 * 128, 4 * 256, 8 * 512),
    "googlenet": lambda: row("googlenet_paper"),
    "googlenet aux_heads": lambda: row("googlenet_paper_aux"),
    "googlenet_bn": lambda: row("googlenet_torchvision"),
    "googlenet_bn aux_heads": lambda: aux_heads("googlenet_torchvision"),
    "bn_inception": lambda: row("bn_inception"),
    "bn_inception channels=release": lambda: row("bn_inception_release"),
    "inception_v3": lambda: row("inception_v3"),
    "inception_v3 aux_heads": inception_v3_head,
    **{f"resnet{d}": functools.partial(row, f"resnet{d}_v1") for d in (18, 34, 50, 101, 152)},
    # Blocks of two 3x3 convolutions are the same in v1.5.
    **{f"resnet{d}_v1_5": functools.partial(row, f"resnet{d}_v1") for d in (18, 34)},
    **{f"resnet{d}_v1_5": functools.partial(row, f"resnet{d}_v1.5") for d in (50, 101, 152)},
    **{f"resnet{d}_v2": functools.partial(row, f"resnet{d}_v2") for d in (18, 34, 50, 152)},
    "resnet101_v2": lambda: resnet_v2("resnet101_v1.5", (3, 4, 23, 3)),
    **{f"resnet{d} shortcut=A": functools.partial(row, f"resnet{d}_v1_optA") for d in (18, 34)},
    # Shortcut A has no parameters: the plain net is as large.
    "plain18": lambda: row("resnet18_v1_optA"),
    "plain34": lambda: row("plain34"),
    **{
        f"resnet{d}": functools.partial(row, f"cifar_resnet{d}_optA")
        for d in (20, 32, 44, 56, 110, 1202)
    },
    **{
        f"resnet{d} shortcut=B": functools.partial(row, f"cifar_resnet{d}_optB")
        for d in (20, 32, 44, 110)
    },
    **{f"plain{d}": functools.partial(row, f"cifar_resnet{d}_optA") for d in (20, 32, 44, 56)},
    "preact_resnet110": lambda: row("cifar_resnet110_optA_preact"),
    "preact_resnet164": lambda: row("cifar_preresnet164_bottleneck"),
    "preact_resnet1001": lambda: preact_bottlenecks(111),
}


def options(case):
    """`net a=b flag` as the options {"a": "b", "flag": True} of net."""
    pairs = (part.partition("=") for part in case.split()[1:])
    return {name: value or True for name, _, value in pairs}


@functools.cache
def account(case):
    return accounting.account(case.split()[0], **options(case))


def test_every_registered_network_has_a_reference():
    assert set(models.names()) == {case.split()[0] for case in CASES}


# Ten seconds each to trace, and the same blocks, counted by the same sums, as at a tenth the depth.
DEEPEST = ("resnet1202", "preact_resnet1001")


def quick_first(case, *rest):
    """Return a test's arguments, of the deepest networks marked as slow."""
    return pytest.param(case, *rest, marks=[pytest.mark.slow] if case in DEEPEST else [])


@needs_shared
@pytest.mark.parametrize("case", [quick_first(case) for case in CASES])
def test_totals_are_the_references(case):
    found = account(case)
    size = Size(found.parameters, found.macs, found.activations, found.depth)
    assert size == CASES[case]()


@needs_shared
def test_the_counts_by_hand_agree_where_there_are_rows():
    assert resnet_v2("resnet50_v1.5", (3, 4, 6, 3)) == row("resnet50_v2")
    assert resnet_v2("resnet152_v1.5", (3, 8, 36, 3)) == row("resnet152_v2")
    assert preact_bottlenecks(18) == row("cifar_preresnet164_bottleneck")


OPS = {"max_pool": "pool", "avg_pool": "pool", "global_avg_pool": "gap"}


@needs_shared
@pytest.mark.parametrize(
    ("case", "reference"),
    [
        ("lenet5", "lenet5_modern"),
        ("alexnet", "alexnet_lecture_ungrouped"),
        ("alexnet_2012", "alexnet_paper_grouped"),
        ("zfnet", "zfnet_paper_fig3"),
        ("vgg16", "vgg_D"),
        ("googlenet aux_heads", "googlenet_paper_aux"),
        ("inception_v3", "inception_v3"),
        ("resnet50", "resnet50_v1"),
        ("resnet20", "cifar_resnet20_optA"),
    ],
)
def test_layers_are_the_references(case, reference):
    def theirs(r):
        window = (tuple(r["k"]), r["stride"]) if r["op"] in ("conv", "pool") else (None, None)
        return (r["op"], *window, tuple(r["out"]), r["weights"], r["macs"], r["acts"])

    def ours(layer):
        op = OPS.get(layer.operation, layer.operation)
        window = (layer.kernel, layer.stride) if op in ("conv", "pool") else (None, None)
        return (op, *window, layer.output, layer.weights, layer.macs, layer.activations)

    counted = [layer for layer in account(case).layers if layer.operation != "batch_norm"]
    expected = facts()["layers"][reference]
    # As sets with repetition: branches side by side have no order.
    assert collections.Counter(map(ours, counted)) == collections.Counter(map(theirs, expected))


# (network, quantity, what the paper prints, by how much it may be rounded or cut)
PUBLISHED = [
    ("lenet5_1998", "parameters", 60_000, 0),  # LeCun et al. 1998, sec. II-B
    ("alexnet_2012", "parameters", 60e6, 1e6),  # Krizhevsky et al. 2012, abstract
    *((net, "parameters", 1e6 * m, 0.5e6) for net, m in zip(  # Simonyan & Zisserman, table 2
        ("vgg11", "vgg11_lrn", "vgg13", "vgg16_c", "vgg16", "vgg19"),
        (133, 133, 133, 134, 138, 144), strict=True)),
    *((f"resnet{d}", "macs", 1e9 * g, 0.1e9) for d, g in zip(  # He et al. 2015, table 1
        (18, 34, 50, 101, 152), (1.8, 3.6, 3.8, 7.6, 11.3), strict=True)),
    *((f"resnet{d}", "parameters", 1e6 * m, 0.05e6) for d, m in zip(  # table 6
        (20, 32, 44, 56, 110, 1202), (0.27, 0.46, 0.66, 0.85, 1.7, 19.4), strict=True)),
    ("preact_resnet164", "parameters", 1.7e6, 0.05e6),  # He et al. 2016, table 4
    ("inception_v3", "parameters", 24e6, 1e6),  # Szegedy et al. 2015: below 25 million
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "quantity", "published", "rounding"), [quick_first(*row) for row in PUBLISHED]
)
def test_sizes_are_those_that_the_papers_print(case, quantity, published, rounding):
    assert getattr(account(case), quantity) == pytest.approx(published, abs=rounding)


# Araujo et al. 2019, "Computing receptive fields of convolutional neural networks", table 1.
@pytest.mark.parametrize(
    ("case", "layer", "size"),
    [
        ("alexnet_owt", "pool5", 195),
        ("vgg16", "pool5", 212),
        ("resnet50", "conv5_3/conv3", 483),
        ("resnet101", "conv5_3/conv3", 1027),
        ("resnet152", "conv5_3/conv3", 1507),
        ("bn_inception", "inception_5b/double_3x3_2", 699),
    ],
)
def test_receptive_fields_are_the_known_ones(case, layer, size):
    found = {row.name: row.receptive_field for row in account(case).layers}
    assert found[layer] == size


def test_a_larger_image_changes_outputs_and_not_parameters():
    small, large = account("vgg16"), accounting.account("vgg16", image_size=256)
    assert large.parameters == small.parameters
    outputs = {row.name: row.output for row in large.layers}
    assert outputs["pool5"] == (8, 8, 512)
    assert outputs["fc6"] == (2, 2, 4096)
    fc8 = next(row for row in large.layers if row.name == "fc8")
    assert fc8.macs == 4 * 4096 * 1000


def test_layers_of_its_own_class_and_grouped_ones_are_counted():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            x = nn.Conv(8, (3, 3), feature_group_count=2, name="conv")(x)
            x = nn.GroupNorm(2, name="norm")(x)
            x = nn.Dropout(0.5, name="dropout")(x, deterministic=not train)
            return nn.Dense(3, name="fc")(layers.GlobalAvgPool(name="pool")(x))

    depth, (conv, norm, pool, fc) = accounting.trace(Net(), (6, 6, 4))
    assert depth == 2
    assert (conv.parameters, conv.weights, conv.macs) == (9 * 2 * 8 + 8, 9 * 2 * 8, 36 * 9 * 2 * 8)
    assert (norm.operation, norm.parameters, norm.macs, norm.activations) == ("GroupNorm", 16, 0, 0)
    assert (pool.activations, fc.macs, fc.output) == (8, 24, (1, 1, 3))


class Shared(nn.Module):
    """A convolution in a module that shares its scope."""

    @nn.compact
    def __call__(self, x):
        conv = nn.Conv(8, (3, 3))
        nn.share_scope(self, conv)
        return conv(x)


class Adapted(nn.Module):
    """The same with a parameter of its own beside those of the convolution."""

    @nn.compact
    def __call__(self, x):
        conv = nn.Conv(8, (3, 3))
        nn.share_scope(self, conv)
        return conv(x) * self.param("gain", nn.initializers.ones, (8,))


class Standardized(nn.Conv):
    """A convolution that calls the one it is derived from."""

    @nn.compact
    def __call__(self, x):
        return super().__call__(x - x.mean())


WRAPPED = {  # parameters, multiply-adds, operations
    "shared": (lambda: Shared(name="a"), 296, 288, ["conv"]),
    "adapted": (lambda: Adapted(name="a"), 304, 288, ["conv", "Adapted"]),
    "derived": (lambda: Standardized(8, (3, 3), name="a"), 296, 288, ["conv"]),
    "in series": (lambda: nn.Sequential([nn.Conv(8, (3, 3))], name="a"), 296, 288, ["conv"]),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_what_a_module_wraps_is_counted_once(kind):
    make, parameters, weights, operations = WRAPPED[kind]

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            return make()(x)

    _, rows = accounting.trace(Net(), (6, 6, 4))
    assert sum(row.parameters for row in rows) == parameters
    assert sum(row.macs for row in rows) == 36 * weights
    assert [row.operation for row in rows] == operations


def test_a_layer_that_is_used_twice_has_its_parameters_once():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            conv = nn.Conv(4, (3, 3), name="conv")
            return conv(conv(x))

    depth, (first, second) = accounting.trace(Net(), (6, 6, 4))
    assert depth == 2
    assert (first.parameters, second.parameters) == (148, 0)
    assert first.macs == second.macs == 36 * 144
    assert first.receptive_field == 3
    assert second.receptive_field == 5


def test_wrong_requests_are_refused():
    with pytest.raises(ValueError, match="did you mean 'vgg16'"):
        accounting.account("vgg_16")
    with pytest.raises(ValueError, match="smallest is 32x32"):
        accounting.account("resnet18", image_size=31)


def test_the_rows_hold_every_parameter_of_the_network():
    for case in ("resnet50_v2", "googlenet aux_heads", "lenet5_1998"):
        name = case.split()[0]
        image = jnp.zeros((1, *models.info(name).input))
        init = functools.partial(models.create(name, **options(case)).init, train=False)
        params = jax.eval_shape(init, jax.random.key(0), image)["params"]
        assert account(case).parameters == sum(leaf.size for leaf in jax.tree.leaves(params))


def test_receptive_fields_by_hand():
    """However the device computes a convolution."""
    fields = {layer.name: layer.receptive_field for layer in account("lenet5").layers}
    assert [fields[name] for name in ("conv1", "pool1", "conv2", "pool2", "fc3")] == [
        5,
        6,
        14,
        16,
        32,
    ]
