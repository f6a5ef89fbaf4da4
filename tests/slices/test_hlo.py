"""Reading a compiled program's text, on a recorded excerpt."""

import pytest

from cnn_history.slices import hlo

# As libtpu 0.0.42.1 wrote it for a net with a norm, shortened; the numbers below are by hand.
TEXT = """
HloModule jit_step, is_scheduled=true

%fused_computation.1 (param_0.1: f32[8,40]) -> f32[8,48] {
  ROOT %pad.1 = f32[8,48]{1,0:T(8,128)} pad(%param_0.1, %constant.1), padding=0_0x4_4
}

%async_computation.3 (param_0.9: f32[8]) -> f32[8] {
  ROOT %all-reduce.9 = f32[8]{0:T(128)} all-reduce(%param_0.9), channel_id=9
}

ENTRY %main.41_spmd (param.7: s32[], param.12: f32[6]) -> f32[6] {
  %param.12 = f32[3,3,16,3]{3,2,1,0:T(8,128)} parameter(1)
  %all-reduce.14 = (u32[]{:T(128)}, u32[]{:T(128)}) all-reduce(%a, %b), channel_id=1
  %all-reduce.15 = (f32[8]{0:T(128)S(1)}, f32[8]{0:T(128)S(1)}) all-reduce(%c, %d), channel_id=2, \
metadata={op_name="jit(step)/jvp(Net)/norm/reduce_sum" stack_frame_id=6}
  %all-reduce-start.2 = (f32[3,3,3,8]{3,2,1,0:T(4,128)}, f32[8]{0:T(128)}) all-reduce-start(%e, %f)
  %all-reduce-done.2 = (f32[3,3,3,8]{3,2,1,0:T(4,128)}, f32[8]{0:T(128)}) all-reduce-done(%g)
  %async-start.1 = ((f32[8]), f32[8], u32[]) async-start(%h), calls=%async_computation.3
  %all-gather-start.1 = (bf16[2,8]{1,0}, bf16[16,8]{1,0}) all-gather-start(%i), dimensions={0}
  %all-gather.7 = f32[3,4,1,8]{3,2,1,0} all-gather(%m), dimensions={1}
  %copy.4 = bf16[128,10,10,20]{3,0,2,1:T(8,128)(2,1)} copy(%j), metadata={op_name="jit(step)/conv"}
  %fusion.5 = f32[8,48]{1,0:T(8,128)} fusion(%k), kind=kLoop, calls=%fused_computation.1
  ROOT %copy.5 = f32[8,8,8]{2,1,0:T(8,128)S(1)} copy(%l)
}
"""
KERNELS, CHANNELS = {3 * 3 * 3 * 8, 10}, {8}


def test_collectives_by_use():
    found = hlo.collectives(TEXT, KERNELS, CHANNELS, devices=4)
    assert found == [
        {"kind": "all-gather", "use": "other", "count": 1, "bytes": 16 * 8 * 2, "async": True},
        {"kind": "all-gather", "use": "statistics", "count": 1, "bytes": 4 * 96, "async": False},
        {"kind": "all-reduce", "use": "gradient", "count": 1, "bytes": 4 * 224, "async": True},
        {"kind": "all-reduce", "use": "other", "count": 1, "bytes": 8, "async": False},
        {"kind": "all-reduce", "use": "statistics", "count": 1, "bytes": 64, "async": False},
        {"kind": "all-reduce", "use": "statistics", "count": 1, "bytes": 32, "async": True},
    ]


def test_a_bias_alone_is_a_gradient_where_no_norm_has_as_many_channels():
    text = "ENTRY %main (p: f32[10]) -> f32[10] {\n  %r = f32[10]{0} all-reduce(%p)\n}"
    assert [one["use"] for one in hlo.collectives(text, KERNELS, CHANNELS, 4)] == ["gradient"]
    assert [one["use"] for one in hlo.collectives(text, KERNELS, {10}, 4)] == ["statistics"]


def test_moments_that_are_gathered_by_a_sum_are_statistics():
    """As on 64 devices, where the program of ResNet-20 has no all-gather."""

    def uses(shape, kernels, devices=4):
        text = f"ENTRY %main (p: f32[96]) -> f32[96] {{\n  %r = (f32[{shape}]) all-reduce(%p)\n}}"
        return [one["use"] for one in hlo.collectives(text, kernels, CHANNELS, devices)]

    assert uses("3,4,1,8", KERNELS) == ["statistics"]
    assert uses("3,4,1,8", KERNELS, devices=8) == ["gradient"]
    # A kernel of as many values; BN-Inception on 64 devices has such.
    assert uses("3,4,1,8", {96}) == ["statistics"]
    assert uses("1,1,12,8", {96}) == ["gradient"]
    # Merged with the sums of another norm, or with the gradient.
    assert uses("3,4,1,8], f32[8", KERNELS) == ["statistics"]
    assert uses("3,4,1,8], f32[3,3,3,8", KERNELS) == ["gradient"]


def test_an_update_of_as_many_values_as_moments_is_not_statistics():
    """As with `optimizer_state=sharded`."""
    text = "ENTRY %main (p: f32[12]) -> f32[96] {\n  %r = f32[1,1,12,8] all-gather(%p)\n}"
    assert [one["use"] for one in hlo.collectives(text, {96}, CHANNELS, 4)] == ["other"]


def test_what_layouts_cost():
    """20 channels fill 128 lanes, 48 too; what is fused or is not in HBM is left out."""
    rows = hlo.layout_costs(TEXT)
    copied, values = 10 * 10 * 128 * 128 * 2, 128 * 10 * 10 * 20 * 2
    assert [(row["what"], row["bytes"]) for row in rows[:2]] == [
        ("copy", copied),
        ("padding", copied - values),
    ]
    assert rows[0]["where"] == "jit(step)/conv"
    others = {(row["array"], row["bytes"]) for row in rows[2:]}
    assert ("f32[8,48]", 8 * 128 * 4 - 8 * 48 * 4) in others
    assert not any(row["array"] == "f32[8,8,8]" for row in rows)


# As libtpu 0.0.42.1 fetches a padded array from HBM in two parts, shortened.
FETCHED = """
ENTRY %main (param.1: f32[8,40]) -> f32[8,40] {
  %param.1 = f32[8,40]{1,0:T(8,128)} parameter(0)
  %copy-start.1 = (f32[8,40]{1,0:T(8,128)}, f32[8,40]{1,0:T(8,128)S(1)}, u32[]{:S(2)}) \
copy-start(%fusion.1)
  %copy-done.1 = f32[8,40]{1,0:T(8,128)} copy-done(%copy-start.1)
  %slice-start.1 = ((f32[8,40]{1,0:T(8,128)}), f32[4,40]{1,0:T(8,128)S(1)}, s32[]{:S(2)}) \
slice-start(%copy-done.1), slice={[0:4], [0:40]}
  %slice-start.2 = ((f32[8,40]{1,0:T(8,128)}), f32[4,40]{1,0:T(8,128)S(1)}, s32[]{:S(2)}) \
slice-start(%copy-done.1), slice={[4:8], [0:40]}
}
"""


def test_an_array_counts_once_however_often_it_is_fetched():
    (row,) = hlo.layout_costs(FETCHED)
    assert (row["what"], row["array"], row["count"]) == ("padding", "f32[8,40]", 1)
    assert row["bytes"] == 8 * (128 - 40) * 4


@pytest.mark.parametrize(
    ("text", "bytes", "padded"),
    [
        ("f32[6]{0:T(128)}", 24, 512),
        ("f32[5,5,6,16]{3,2,1,0:T(8,128)}", 9_600, 25 * 8 * 128 * 4),
        ("f32[120,84]{0,1:T(8,128)}", 40_320, 128 * 88 * 4),
        ("u8[1437,8,8,1]{0,2,3,1:T(8,128)(4,1)}", 91_968, 8 * 1 * 8 * 1536),
        ("pred[]{:T(512)}", 1, 1),
        ("bf16[2,3]", 12, 12),
    ],
)
def test_sizes_of_arrays(text, bytes, padded):
    found = hlo._array(hlo.ARRAY.fullmatch(text))
    assert (found.bytes, found.padded) == (bytes, padded)


# As libtpu 0.0.42.1 splits an all-gather to run it beside a convolution, shortened.
SPLIT = """
%fused_computation.1 (param_0: f32[3,1,8]) -> (f32[3,4,1,8], s32[2]) {
  %all-gather.86 = f32[3,4,1,8]{3,2,1,0} all-gather(%param_0), channel_id=3, dimensions={1}
  ROOT %custom-call.3 = (f32[3,4,1,8], s32[2]) custom-call(%all-gather.86), \
custom_call_target="AsyncCollectiveStart"
}

%async_collective_fusion.9 (param_0: f32[3,1,8], param_1: bf16[8]) -> bf16[8] {
  %all-gather.88 = f32[3,4,1,8]{3,2,1,0} all-gather(%param_0), channel_id=3, dimensions={1}
  ROOT %convolution.1 = bf16[8]{0} convolution(%param_1, %param_1)
}

%fused_computation.2 (param_0: f32[3,1,8]) -> f32[3,4,1,8] {
  %all-gather.90 = f32[3,4,1,8]{3,2,1,0} all-gather(%param_0), channel_id=3, dimensions={1}
  ROOT %custom-call.5 = f32[3,4,1,8] custom-call(%all-gather.90), \
custom_call_target="AsyncCollectiveDone"
}

ENTRY %main (param.1: f32[3,1,8]) -> f32[3,4,1,8] {
  ROOT %all-gather.7 = f32[3,4,1,8]{3,2,1,0} all-gather(%param.1), channel_id=4, dimensions={1}
}
"""


def test_a_collective_split_over_instructions_counts_once():
    found = hlo.collectives(SPLIT, KERNELS, CHANNELS, devices=4)
    alike = {"kind": "all-gather", "use": "statistics", "count": 1, "bytes": 4 * 96}
    assert found == [{**alike, "async": False}, {**alike, "async": True}]
