"""torchvision's networks with random weights, as the second implementation of parity tests."""

import importlib.util

import numpy as np
import pytest

needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None,
    reason="needs the extra torch: EXTRAS=torch ./launch.sh test",
)


def randomize(model, seed: int = 0):
    """Redraw every parameter and statistic of a torch module; return it, set to evaluation.

    Kernels are He's; scales, shifts and statistics are drawn so that no two channels share them
    and that leaving one out, or taking one for another, changes the output.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        tensor.uniform_(low, high, generator=generator)

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
                if module.bias is not None:
                    uniform(module.bias, -0.1, 0.1)
            elif isinstance(module, torch.nn.BatchNorm2d):
                uniform(module.weight, 0.5, 1.0)
                uniform(module.bias, -0.2, 0.2)
                uniform(module.running_mean, -0.2, 0.2)
                uniform(module.running_var, 0.5, 2.0)
    return model.eval()


def create(name: str, seed: int = 0, **options):
    """Return torchvision's network `name` in evaluation mode, randomized from `seed`."""
    from cnn_history.benchmarks import torchvision_networks

    return randomize(torchvision_networks.create(name, **options), seed)


def state_dict(model) -> dict[str, np.ndarray]:
    """Return the tensors of a torch module by name."""
    return {name: tensor.detach().numpy().copy() for name, tensor in model.state_dict().items()}
