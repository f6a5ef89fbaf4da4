"""Loading the network of a work directory with its weights."""

import pathlib
from collections import Counter
from collections.abc import Mapping

import flax.linen as nn
import jax
import numpy as np

from cnn_history import build
from cnn_history.datasets import Source, identity
from cnn_history.datasets.identity import Identity
from cnn_history.datasets.prepare import Preprocessing
from cnn_history.datasets.scalings import AS_INIT_FROM
from cnn_history.errors import UserError
from cnn_history.files import checkpoint, shipped, workdir
from cnn_history.lookup import nearest
from cnn_history.weights.convert import not_finite


def load(folder: str | pathlib.Path, best: bool = False) -> tuple[nn.Module, dict, Preprocessing]:
    """Return (model, variables, preprocessing) of a run's newest checkpoint, or an imported net's.

        model, variables, preprocessing = load("runs/lenet5_digits")
        logits = model.apply(variables, preprocessing(images_uint8), train=False)
        preprocessing.classes[logits[0].argmax()]  # the name of a class

    The folder may also be the name of a trained network of this package, such as `lenet5_digits`
    (`files.shipped.names()`). With `best`, it is the checkpoint of the lowest test error. Raises
    UserError if the directory holds no run, or no such checkpoint, or values that are not finite.
    """
    folder = shipped.folder(folder)
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


def start_from(
    folder: str,
    variables: dict,
    train: Source,
    classifier: str,
    layers: tuple[str, ...] = (),
    scaling: str = AS_INIT_FROM,
    data: Mapping[str, Identity] | None = None,
) -> tuple[dict, str]:
    """Return `variables` with values from another work directory, and a description of these.

    Implements `config.init_from`. Running statistics are taken if their shapes fit. A head for
    another number of classes, or for classes with other names, keeps its fresh values; equal names
    in another order are matched. Raises UserError for any other difference in names or shapes.

    Args:
      folder: work directory of a run or an imported network.
      variables: freshly initialized variables.
      train: training examples, which determine the classes.
      classifier: name of the layer with a unit for each class.
      layers: layers that take values, as in VGG's deeper nets; empty for all.
      scaling: name of the run's scaling of values.
      data: data of the run by use; the description then compares them with the other's.
    """
    place = shipped.folder(folder)
    _, theirs, preprocessing = load(folder)
    theirs = {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(theirs)}
    for layer in layers:
        if layer not in variables["params"]:
            advice = nearest(layer, variables["params"])
            raise UserError(f"config.init_layers: the network has no layer '{layer}'; {advice}")
    there, here = len(preprocessing.classes), len(train.classes)
    own, why = None, f"it has {there} classes there, {here} here"
    if there == here:
        try:
            own = identity.places(train, preprocessing.classes, workdir.unnamed(place))
        except ValueError:
            why = "its classes have other names"
    taken, fresh = Counter(), []

    def choose(path, ours):
        kind, layer = path[0].key, path[1].key
        name = _name(path)
        if layers and layer not in layers:
            return ours
        value, heads = theirs.get(name), layer == classifier or layer.startswith("aux")
        if value is not None and heads and (value.shape[-1], ours.shape[-1]) == (there, here):
            if own is None:
                fresh.append(name.partition("/")[2])
                return ours
            value = value[..., np.array(own)]
        if value is not None and value.shape == ours.shape:
            taken[kind] += 1
            return value.astype(ours.dtype)
        if kind != "params":
            fresh.append(f"the statistics {name.partition('/')[2]}")
            return ours
        if value is None:
            raise UserError(f"config.init_from: '{folder}' has no parameter {name[7:]}.")
        raise UserError(
            f"config.init_from: {name[7:]} is {list(value.shape)} in '{folder}', but "
            f"{list(ours.shape)} here."
        )

    started = jax.tree_util.tree_map_with_path(choose, variables)
    statistics = sum(taken.values()) - taken["params"]
    line = f"from '{folder}': {taken['params']} arrays of parameters, {statistics} of statistics"
    if scaling == AS_INIT_FROM:
        line += " and the scaling are taken"
    else:
        line += f" are taken; the scaling is this run's own, {scaling} (as_init_from takes it)"
    if fresh:
        line += f"; fresh: {identity.listed(fresh)}" + (f", as {why}" if own is None else "")
    if data:
        line += f". {_beside(place, data)}"
    return started, f"{line}."


def _beside(place: pathlib.Path, data: Mapping[str, Identity]) -> str:
    theirs = workdir.known_data(place)
    if theirs:
        return f"Compared with that run, {identity.beside(theirs, data)}"
    why = "imported" if "imported" in workdir.read_config(place) else "of an earlier version"
    return f"It is {why}, so its images are unknown and were not compared with these"


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
