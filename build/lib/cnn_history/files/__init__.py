"""A work directory and what stands in it: records, checkpoints, arrays."""
