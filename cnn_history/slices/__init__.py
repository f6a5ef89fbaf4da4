"""Programs of a run compiled for TPU slices that are not here, by the TPU's own compiler."""
