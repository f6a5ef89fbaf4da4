"""What data were: enough to find out later, elsewhere or in another process that they are others.

The digest sees the names and sizes of all files, and of SAMPLE examples the label and the first
HEAD bytes; of all where there are fewer. It does not see what changes further in, or in an example
that is not drawn, while names and sizes stay as they are. Nor does it see dates, or where the files
lie. Of TensorFlow Datasets the files are the shards, and the examples their records.
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
    """What the examples of a split were; all but the digest is as `Source` has it."""

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
    # The legacy generator, whose numbers NumPy keeps for ever.
    drawn = np.random.RandomState(SEED).permutation(len(source))[:SAMPLE]
    with futures.ThreadPoolExecutor(READERS) as pool:  # a disk far away takes its time for each
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
    """Return the label of an example and its first bytes; those of one that is lost are none."""
    if source.encoded is None:
        (image,), (label,) = source.read([index])
        return int(label).to_bytes(4, "little") + np.ascontiguousarray(image).tobytes()[:HEAD]
    try:
        example = source.encoded(index)
    except images.Unreadable:
        return b"unreadable"
    return example.label.to_bytes(4, "little") + example.image[:HEAD]


def differences(was: Identity, now: Identity) -> str:
    """Return what is not the same in two identities, in words; empty where all is."""
    found = [
        f"the {field} is {after or 'none'}, not {before or 'none'}"
        for field, before, after in zip(Identity._fields, was, now, strict=True)
        if before != after and field not in ("classes", "digest")
    ]
    if was.classes != now.classes:
        found.append(_of_classes(was.classes, now.classes))
    if not found and was.digest != now.digest:
        found.append("as many files, but other names, sizes or contents")
    return "; ".join(found)


def beside(theirs: Mapping[str, Identity], ours: Mapping[str, Identity]) -> str:
    """Return what two runs' images have to do with each other, use by use, in words.

    Other images are no error where one run starts from another's network. Images that the other
    was trained on are no fair test, which is said as far as the digest sees it: of all of them.
    """
    uses = []
    for use, now in ours.items():
        was, found = theirs[use], differences(theirs[use], now)
        if not found:
            uses.append(f"the {use} images are the same")
        elif was.name == now.name:
            uses.append(f"the {use} images of {now.name} are others: {found}")
        else:
            uses.append(f"the {use} images are {now.name} {now.split}, not {was.name} {was.split}")
    if ours["test"].digest == theirs["training"].digest:
        uses.append("the test images are those that it was trained on, and no fair test")
    return "; ".join(uses)


def _of_classes(was: Sequence[str], now: Sequence[str]) -> str:
    gone = [name for name in was if name not in set(now)]
    new = [name for name in now if name not in set(was)]
    if not gone and not new:
        return "the classes stand in another order"
    parts = (
        f"{word} {listed(names)}" for word, names in (("without", gone), ("with", new)) if names
    )
    return f"the classes are others, {' and '.join(parts)}"


def listed(names: Sequence[str]) -> str:
    """Return names for a message: the first SHOWN, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def matched(source: Source, classes: Sequence[str], unnamed: bool = False) -> Source:
    """Return the source with its labels as places among `classes`, found by name.

    Where classes have no names, they get the source's.

    Args:
      source: with the same classes, in whichever order, or some of them.
      classes: of a network.
      unnamed: whether those are but numbers. They are then matched to names that are numbers too
        (from 0, or as many as there are classes in their order), and to a data set whose order is
        its own, which that of a folder's names is not.

    Raises:
      ValueError: which names cannot be matched.
    """
    found, named = places(source, classes, unnamed), list(classes)
    for name, place in zip(source.classes, found, strict=True):
        named[place] = name
    return relabelled(source, named, found)


def places(source: Source, classes: Sequence[str], unnamed: bool = False) -> list[int]:
    """Return where each class of a source stands among `classes`; as `matched`."""
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
