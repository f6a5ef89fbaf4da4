"""The smallest run of each study, which tests share."""

import contextlib
import functools
import importlib
from unittest import mock

from cnn_history import studies
from cnn_history.models import googlenet
from cnn_history.studies import auxiliary_heads

# Of GoogLeNet the modules under its heads, and those that the study calls the lower ones: to
# compile the steps of all nine, with batch norm and without, takes 3 GB.
MODULES = ("inception_3a", "inception_3b", "pool3", "inception_4a", "inception_4d")

# Images of each split for studies that use all of them in a step: without LLVM's optimizations,
# which the tests leave out, a step on all digits takes seconds.
FEW_IMAGES = {"full_batch": 200, "in_practice": 400}


def config(name, arg=None):
    """Return a study's config."""
    return importlib.import_module(f"experiments.studies.{name}").get_config(arg)


@functools.cache
def findings(name):
    """Return what a study finds by its `:smoke`."""
    options = config(name, "smoke").to_dict()
    with contextlib.ExitStack() as stack:
        if name == "auxiliary_heads":
            few = {module: googlenet.TABLE_1[module] for module in MODULES}
            stack.enter_context(mock.patch.dict(googlenet.TABLE_1, few, clear=True))
            layers = [
                layer for layer in auxiliary_heads.LAYERS if layer in (*few, "conv1", "conv2")
            ]
            stack.enter_context(mock.patch.object(auxiliary_heads, "LAYERS", layers))
        if few := FEW_IMAGES.get(name):
            module = importlib.import_module(f"cnn_history.studies.{name}")
            images = functools.partial(module.images, examples=few)
            stack.enter_context(mock.patch.object(module, "images", images))
        return studies.STUDIES[options.pop("study")].run(**options)
