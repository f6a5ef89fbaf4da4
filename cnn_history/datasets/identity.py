"""Identity of data: tells whether the data of a later run, or another process, are the same.

The digest covers the names and sizes of all files, and the label and first HEAD bytes of SAMPLE
examples (of all, if there are fewer). It misses a change further inside a file, or in an example
that is not sampled, if names and sizes stay the same. It ignores dates and locations. For
TensorFlow Datasets, the files are shards and the examples are records.
"""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from concurrent import futures
from typing import NamedTuple

import numpy as np

from cnn_history.datasets import images
from cnn_history.datasets.source import Source, relabelled

SAMPLE, HEAD, SEED = 1000, 4096, 2026
READERS = 16  # threads
SHOWN = 5  # names in a message


class Identity(NamedTuple):
    """Identity of a split's examples; all fields but the digest are those of `Source`."""

    name: str
    version: str
    variant: str
    split: str
    number: int
    classes: tuple[str, ...]
    digest: str


def of(source: Source) -> Identity:
    """Return the identity of a source; at most SAMPLE of its examples are read."""
    digest = hashlib.sha256()
    for stamp in source.stamps(0, len(source)):
        digest.update(stamp.encode(errors="surrogateescape") + b"\0")
    # The legacy generator: NumPy guarantees that its numbers never change.
    drawn = np.random.RandomState(SEED).permutation(len(source))[:SAMPLE]
    with futures.ThreadPoolExecutor(READERS) as pool:  # each read may wait for a remote disk
        for head in pool.map(functools.partial(_head, source), map(int, np.sort(drawn))):
            digest.update(head)
    return Identity(
        source.name,
        source.version,
        source.variant,
        source.split,
        len(source),
        tuple(source.classes),
        digest.hexdigest(),
    )


def _head(source: Source, index: int) -> bytes:
    """Return an example's label and first bytes; both are empty for a lost record."""
    if source.encoded is None:
        (image,), (label,) = source.read([index])
        return int(label).to_bytes(4, "little") + np.ascontiguousarray(image).tobytes()[:HEAD]
    try:
        example = source.encoded(index)
    except images.Unreadable:
        return b"unreadable"
    return example.label.to_bytes(4, "little") + example.image[:HEAD]


def differences(was: Identity, now: Identity) -> str:
    """Return the differences between two identities, in words; empty if there are none."""
    found = [
        f"the {field} is {after or 'none'}, not {before or 'none'}"
        for field, before, after in zip(Identity._fields, was, now, strict=True)
        if before != after and field not in ("classes", "digest")
    ]
    if was.classes != now.classes:
        found.append(_of_classes(was.classes, now.classes))
    if not found and was.digest != now.digest:
        found.append("the same number of files, with other names, sizes or contents")
    return "; ".join(found)


def beside(theirs: Mapping[str, Identity], ours: Mapping[str, Identity]) -> str:
    """Compare the images of two runs, use by use, in words.

    Other images are no error when one run starts from another's network. If the test images are
    exactly those that the other network was trained on, the text says so. The digest cannot see a
    partial overlap.
    """
    uses = []
    for use, now in ours.items():
        was, found = theirs[use], differences(theirs[use], now)
        if not found:
            uses.append(f"the {use} images are the same")
        elif was.name == now.name:
            uses.append(f"the {use} images of {now.name} differ: {found}")
        else:
            uses.append(f"the {use} images are {now.name} {now.split}, not {was.name} {was.split}")
    if ours["test"].digest == theirs["training"].digest:
        uses.append("it was trained on these test images, so the test is not fair")
    return "; ".join(uses)


def _of_classes(was: Sequence[str], now: Sequence[str]) -> str:
    gone = [name for name in was if name not in set(now)]
    new = [name for name in now if name not in set(was)]
    if not gone and not new:
        return "the classes are in another order"
    parts = (
        f"{word} {listed(names)}" for word, names in (("without", gone), ("with", new)) if names
    )
    return f"the classes differ, {' and '.join(parts)}"


def listed(names: Sequence[str]) -> str:
    """Return names for a message: the first SHOWN, and the number of others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def matched(source: Source, classes: Sequence[str], unnamed: bool = False) -> Source:
    """Return the source with labels that index `classes`, matched by name.

    Classes without names take the source's.

    Args:
      source: with the same classes in any order, or some of them.
      classes: the network's.
      unnamed: whether those are only numbers. They then match names that are numbers too (from 0,
        or in order if the counts agree), or a data set that defines the order of its classes; a
        folder does not.

    Raises:
      ValueError: some names cannot be matched; the message lists them.
    """
    found, named = places(source, classes, unnamed), list(classes)
    for name, place in zip(source.classes, found, strict=True):
        named[place] = name
    return relabelled(source, named, found)


def places(source: Source, classes: Sequence[str], unnamed: bool = False) -> list[int]:
    """Return the index in `classes` of each class of a source; arguments as for `matched`."""
    names = source.classes
    if tuple(names) == tuple(classes):
        return list(range(len(classes)))
    if unnamed:
        return _by_number(source, len(classes))
    unknown = [name for name in names if classes.count(name) != 1]
    if unknown:
        raise ValueError(
            f"the classes are matched by name, and {listed(unknown)} of {source.name} "
            f"{source.split} is none of the network's, or several: {listed(classes)}."
        )
    place = {name: i for i, name in enumerate(classes)}
    return [place[name] for name in names]


def _by_number(source: Source, count: int) -> list[int]:
    names = source.classes
    if all(name.isdecimal() for name in names):
        numbers = list(map(int, names))
        if len(set(numbers)) == len(names):
            if max(numbers) < count:
                return numbers
            if len(names) == count:
                return [sorted(numbers).index(number) for number in numbers]
    elif source.name != "folder" and len(names) == count:
        return list(range(count))
    raise ValueError(
        f"the network's {count} classes are numbers, not names, and {listed(names)} of "
        f"{source.name} {source.split} cannot be matched to them; import it with --classes=FILE, "
        "their names, one a line."
    )
