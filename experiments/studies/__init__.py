"""Configs of the studies: the options are those of `run` in `cnn_history/studies`."""
