"""The network of a work directory, with its weights."""

import pathlib

import flax.linen as nn
import jax

from cnn_history import build
from cnn_history.datasets.prepare import Preprocessing
from cnn_history.errors import UserError
from cnn_history.files import bucket, checkpoint, workdir
from cnn_history.lookup import nearest
from cnn_history.weights.convert import not_finite


def load(folder: str | pathlib.Path, best: bool = False) -> tuple[nn.Module, dict, Preprocessing]:
    """Return (model, variables, preprocessing) of a run's newest checkpoint, or an imported net's.

        model, variables, preprocessing = load("runs/lenet5_digits")
        logits = model.apply(variables, preprocessing(images_uint8), train=False)
        preprocessing.classes[logits[0].argmax()]  # the name of a class

    With `best`, of its checkpoint of the lowest test error. Raises UserError if the directory holds
    no run, or no such checkpoint, or values that are not finite.
    """
    folder = bucket.path(folder)
    config = workdir.read_config(folder)
    preprocessing, _, classes = workdir.load_inputs(folder)
    try:
        state = checkpoint.restore_variables(folder, best)
    except ValueError as error:
        raise UserError(error) from error
    params = build.evaluated(config)(state["params"], state["opt_state"])
    variables = {"params": params, **state["model_state"]}
    if found := not_finite(variables):
        raise UserError(f"'{folder}' is damaged: {found}.")
    return build.model(config, len(classes)), variables, preprocessing


def start_from(folder: str, params, num_classes: int, layers: tuple[str, ...] = ()):
    """Return `params` with the values of another work directory's, for `config.init_from`.

    A head for another number of classes keeps its fresh values. Raises UserError if anything else
    differs in name or shape.

    Args:
      folder: of a run, or of an imported network.
      params: fresh ones.
      num_classes: of the network that they belong to.
      layers: those that take the other's values, as VGG's deeper nets take some of the shallowest
        one's; empty for all.
    """
    _, variables, _ = load(folder)
    _, _, classes = workdir.load_inputs(bucket.path(folder))
    theirs = dict(jax.tree_util.tree_leaves_with_path(variables["params"]))
    for layer in layers:
        if layer not in params:
            raise UserError(
                f"config.init_layers: the network has no layer '{layer}'; {nearest(layer, params)}"
            )

    def choose(path, ours):
        if layers and path[0].key not in layers:
            return ours
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if path not in theirs:
            raise UserError(f"config.init_from: '{folder}' has no parameter {name}.")
        value = theirs[path]
        if value.shape == ours.shape:
            return value.astype(ours.dtype)
        heads = (value.shape[-1], ours.shape[-1]) == (len(classes), num_classes)
        if heads and value.shape[:-1] == ours.shape[:-1]:
            return ours
        raise UserError(
            f"config.init_from: {name} is {list(value.shape)} in '{folder}', "
            f"and {list(ours.shape)} here."
        )

    return jax.tree_util.tree_map_with_path(choose, params)
