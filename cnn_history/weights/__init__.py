"""Weights trained elsewhere: PyTorch files to the variables of our networks."""
