"""The suites of `benchmark` by name."""

from cnn_history.benchmarks import cases, inputs, levers, networks, profile, rules, startup

SUITES = {
    "cpu": networks.suite(cases.CPU),
    "gpu": networks.suite(cases.GPU, on_gpu=True),
    "levers": levers.SUITE,
    "input": inputs.SUITE,
    "startup": startup.SUITE,
    "optimizers": rules.SUITE,
    "profile": profile.SUITE,
}
