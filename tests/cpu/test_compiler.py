"""Compiler options for XLA."""

from cnn_history.cpu import compiler


def test_this_xla_takes_our_options_and_what_it_does_not_know_is_left_out(monkeypatch):
    """So that a later version is slower at worst; that it is, this test then says."""
    passes, library = "xla_disable_hlo_passes", "xla_cpu_experimental_ynn_fusion_type"
    for training in (True, False):
        assert set(compiler.options("cpu", training)) == {passes, library}
    monkeypatch.setattr(compiler, "PRODUCTS", "LIBRARY_FUSION_TYPE_OF_NONE")
    assert set(compiler.options("cpu", training=False)) == {passes}
    for platform in ("gpu", "tpu"):
        assert compiler.options(platform, training=True) == {}
        assert compiler.options_of_one_call(platform) == {}
