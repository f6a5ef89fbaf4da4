"""Experiments: one config file per table or figure."""
