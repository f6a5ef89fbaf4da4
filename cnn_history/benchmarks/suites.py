"""The suites by name."""

from cnn_history.benchmarks import cases, inputs, networks, profile, rules, startup

SUITES = {
    "cpu": networks.suite(cases.CPU),
    "gpu": networks.suite(cases.GPU),
    "input": inputs.SUITE,
    "startup": startup.SUITE,
    "optimizers": rules.SUITE,
    "profile": profile.SUITE,
}
