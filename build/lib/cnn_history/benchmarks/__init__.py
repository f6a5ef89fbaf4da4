"""How fast: measurements in turns, beside PyTorch and beside what the device can do."""
