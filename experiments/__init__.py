"""Experiments: one config file a table or figure."""
