"""Mutations of a config: each field with a wrong type, range or name."""

import copy
import math

KINDS = ["x", 3, 2.5, True, None, (), (1,), {}, b"x", [1, "x"]]
NUMBERS = [0, -1, 1, 1e-40, 1e30, -1e30, math.nan, math.inf, -math.inf, 2**31, 2**40, 10**400]
TEXTS = ["", "x" * 5000, "nul\0", "../..", "Größe\n", "%s{0}", "train[5:5]", "train[", "-1"]


def leaves(tree, path=()):
    """Return the paths of all fields of a config as a dict, groups among them."""
    found = []
    for name, value in tree.items():
        found.append((*path, name))
        if isinstance(value, dict):
            found += leaves(value, (*path, name))
    return found


def at(tree, path):
    """Return the field of a path."""
    for name in path:
        tree = tree[name]
    return tree


def values(value):
    """Return what a field of this value may wrongly be set to."""
    made = list(KINDS)
    if isinstance(value, bool):
        return [*made, not value]
    if isinstance(value, int | float):
        return [*made, *NUMBERS, value * 2, -value, float(value), value + 0.5]
    if isinstance(value, str):
        return [*made, *TEXTS, value[:-1], value + "x", value.upper()]
    if isinstance(value, tuple):
        made += [value[::-1], value * 2, value[:-1], (*value[:-1], "x"), (*value[:-1], -1)]
        return [*made, tuple(math.nan for _ in value), tuple(0 for _ in value), list(value)]
    return made


def changed(config, path, value):
    """Return the config with another value of a field."""
    made = copy.deepcopy(config)
    at(made, path[:-1])[path[-1]] = value
    return made


def misspelt(config, path):
    """Return the config with a field's last letter twice, and the config without the field."""
    renamed, without = copy.deepcopy(config), copy.deepcopy(config)
    group = at(renamed, path[:-1])
    group[path[-1] + path[-1][-1]] = group.pop(path[-1])
    del at(without, path[:-1])[path[-1]]
    return renamed, without


def all_of(config, path):
    """Yield each config that is wrong in one field, or may be."""
    for value in values(at(config, path)):
        yield changed(config, path, value)
    yield from misspelt(config, path)
