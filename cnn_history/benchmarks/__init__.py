"""Speed, measured in alternating rounds and compared with PyTorch and the device's limits."""
