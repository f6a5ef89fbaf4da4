"""Compile a run's programs for TPU slices and GPU servers that this machine does not have."""
