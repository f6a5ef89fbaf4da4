"""The smallest run of each study, which tests share."""

import functools
import importlib

from cnn_history import studies


def config(name, arg=None):
    """Return a study's config."""
    return importlib.import_module(f"experiments.studies.{name}").get_config(arg)


@functools.cache
def findings(name):
    """Return what a study finds by its `:smoke`."""
    options = config(name, "smoke").to_dict()
    return studies.STUDIES[options.pop("study")].run(**options)
