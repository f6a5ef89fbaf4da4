"""Work directories and their files: records, checkpoints and arrays."""
