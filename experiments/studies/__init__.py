"""Configs of the studies; the options are the arguments of `run` in `cnn_history/studies`."""
