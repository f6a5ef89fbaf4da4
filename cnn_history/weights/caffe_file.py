"""Reader of Caffe files: `.caffemodel`, in three generations of protocol buffers, and `.prototxt`.

A message is a sequence of fields, each with a key, `number << 3 | kind`, and a value. Numbers and
names are from BVLC/caffe's caffe.proto. Nothing is executed. Each length is checked against the
rest of the file before memory is allocated, so that the file's size bounds the memory.
"""

import math
import mmap
import pathlib
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED = {FIXED64: 8, FIXED32: 4}
LONGEST_VARINT = 10  # bytes, for 64 bits in groups of seven
# Published files have up to 900 layers (ResNet-152 with splits), 30 fields per layer, 4 sizes per
# blob.
MOST_LAYERS, MOST_FIELDS, MOST_BLOBS, MOST_SIZES = 5_000, 2_000, 16, 8
DEEPEST_TEXT, LONGEST_TEXT = 8, 1 << 22  # messages within messages, and bytes
TOKEN = re.compile(r"""#.*|"[^"\n]*"|'[^'\n]*'|[{}]|[^\s{}:;,#"']+""")

# Parameters that determine a layer's computation, by field number.
CONVOLUTION = {
    **{1: "num_output", 2: "bias_term", 3: "pad", 4: "kernel_size", 5: "group", 6: "stride"},
    **{9: "pad_h", 10: "pad_w", 11: "kernel_h", 12: "kernel_w", 13: "stride_h", 14: "stride_w"},
    18: "dilation",
}
POOLING = {
    **{1: "pool", 2: "kernel_size", 3: "stride", 4: "pad", 12: "global_pooling"},
    **{5: "kernel_h", 6: "kernel_w", 7: "stride_h", 8: "stride_w", 9: "pad_h", 10: "pad_w"},
    13: "round_mode",
}
INNER_PRODUCT = {1: "num_output", 2: "bias_term", 5: "axis", 6: "transpose"}
LRN = {1: "local_size", 2: "alpha", 3: "beta", 4: "norm_region", 5: "k"}
BATCH_NORM = {1: "use_global_stats", 3: "eps"}
RELU = {1: "negative_slope"}
ELTWISE = {1: "operation", 2: "coeff"}
OLDEST_PARAMETERS = {
    **{3: "num_output", 4: "bias_term", 7: "pad", 8: "kernel_size", 9: "group", 10: "stride"},
    **{11: "pool", 13: "local_size", 14: "alpha", 15: "beta", 22: "k"},
}
ENUMS = {
    **{"MAX": 0, "AVE": 1, "STOCHASTIC": 2, "CEIL": 0, "FLOOR": 1, "true": 1, "false": 0},
    **{"ACROSS_CHANNELS": 0, "WITHIN_CHANNEL": 1, "PROD": 0, "SUM": 1},
    ("operation", "MAX"): 2,
}


REAL = ("alpha", "beta", "k", "eps", "negative_slope", "coeff")  # the others are whole numbers
KNOWN = {
    *OLDEST_PARAMETERS.values(),
    *(word for table in (CONVOLUTION, POOLING, INNER_PRODUCT, LRN) for word in table.values()),
    *(word for table in (BATCH_NORM, RELU, ELTWISE) for word in table.values()),
}


class Form(NamedTuple):
    """The field numbers of a layer in one generation of the format.

    Attributes:
      inside: {field: the parameters in its message}.
      own: parameters that are fields of the layer itself.
    """

    name: int
    type: int
    bottom: int
    top: int
    blobs: int
    inside: dict[int, dict[int, str]]
    own: dict[int, str]


NONE = 0  # no field has this number
LAYER, OLD_LAYER = 100, 2  # fields of the file
NEW = Form(
    *(1, 2, 3, 4, 7),
    {
        **{106: CONVOLUTION, 117: INNER_PRODUCT, 118: LRN, 121: POOLING, 139: BATCH_NORM},
        **{110: ELTWISE, 123: RELU},
    },
    {},
)
OLD = Form(
    *(4, 5, 2, 3, 6),
    {10: CONVOLUTION, 17: INNER_PRODUCT, 18: LRN, 19: POOLING, 24: ELTWISE, 30: RELU},
    {},
)
OLDEST = Form(1, 2, NONE, NONE, 50, {}, OLDEST_PARAMETERS)
WITHIN = 1  # the field of an OLD layer that holds an OLDEST one
OLD_TYPES = {
    **{3: "concat", 4: "convolution", 6: "dropout", 14: "innerproduct", 15: "lrn"},
    **{17: "pooling", 18: "relu", 22: "split", 25: "eltwise"},
}
OLDEST_TYPES = {"conv": "convolution", "pool": "pooling"}
OLDEST_WORDS = {"kernelsize": "kernel_size", "biasterm": "bias_term"}
# Fields of a blob: four sizes (before there was a shape), values, and the shape.
NUM, WIDTH, FLOATS, SHAPE, DOUBLES = 1, 4, 5, 7, 8


class Layer(NamedTuple):
    """A layer of a file.

    Attributes:
      name: name in the file.
      type: type in lower case, such as `convolution` or `innerproduct`.
      bottoms: names of its inputs.
      tops: names of its outputs.
      parameters: parameters in the file, mostly without those that have Caffe's defaults.
      blobs: arrays with the shapes in the file.
    """

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    parameters: dict[str, list[float]]
    blobs: list[np.ndarray]


def read(path: pathlib.Path) -> list[Layer]:
    """Return the layers of a `.caffemodel`, in the order of the file.

    Raises ValueError for a file that is damaged or shorter than it claims.
    """
    found = []
    for number, kind, value in fields(contents(path)):
        if number in (LAYER, OLD_LAYER) and kind == BYTES:
            if len(found) == MOST_LAYERS:
                raise ValueError(f"more than {MOST_LAYERS:,} layers")
            found.append(_layer(value, NEW if number == LAYER else OLD))
    if not found:
        raise ValueError("no layers")
    return found


def contents(path: pathlib.Path) -> memoryview:
    """Return the memory-mapped bytes of a file."""
    with open(path, "rb") as file:
        if not path.stat().st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def fields(
    data: memoryview, most: int | None = None
) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield the number, the kind and the value of each field of a message.

    Raises ValueError for an invalid message, or one with more than `most` fields.
    """
    at = count = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        count += 1
        if most is not None and count > most:
            raise ValueError(f"a message with more than {most:,} fields")
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, kind, value
            continue
        size = FIXED.get(kind)
        if kind == BYTES:
            size, at = _varint(data, at)
        if size is None or not number:
            raise ValueError(
                f"field {number} has the kind {kind}, which protocol buffers do not have"
            )
        if size > len(data) - at:
            raise ValueError(f"a field claims {size:,} bytes, but {len(data) - at:,} are left")
        yield number, kind, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the variable-length number at a position, and the position after it."""
    value = 0
    for shift, byte in enumerate(data[at : at + LONGEST_VARINT]):
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            return value, at + shift + 1
    raise ValueError("a number without an end")


def _layer(data: memoryview, form: Form) -> Layer:
    layer, inner = Layer("", "", [], [], {}, []), None
    for number, kind, value in fields(data, MOST_FIELDS):
        if number in form.own:
            _keep(layer, form.own[number], kind, value)
        elif number == form.type:
            word = OLD_TYPES.get(value, "") if kind == VARINT else _text(value)
            layer = layer._replace(type=_type(word))
        elif kind != BYTES:
            continue
        elif number == WITHIN and form is OLD:
            inner = _layer(value, OLDEST)
        elif number == form.name:
            layer = layer._replace(name=_text(value))
        elif number == form.bottom:
            layer.bottoms.append(_text(value))
        elif number == form.top:
            layer.tops.append(_text(value))
        elif number == form.blobs:
            if len(layer.blobs) == MOST_BLOBS:
                raise ValueError(f"a layer with more than {MOST_BLOBS} blobs")
            layer.blobs.append(_blob(value))
        elif number in form.inside:
            for inside, *held in fields(value, MOST_FIELDS):
                if inside in form.inside[number]:
                    _keep(layer, form.inside[number][inside], *held)
    return inner._replace(bottoms=layer.bottoms, tops=layer.tops) if inner else layer


def _type(written: str) -> str:
    """Return a layer's type in one spelling, `innerproduct` for InnerProduct and INNER_PRODUCT."""
    word = written.replace("_", "").lower()
    return OLDEST_TYPES.get(word, word)


def _text(value: memoryview) -> str:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise ValueError("a name that is not text") from None


def _keep(layer: Layer, word: str, kind: int, value: int | memoryview) -> None:
    """Add the value of a field to the parameters of a layer."""
    if (kind == FIXED32) != (word in REAL):
        raise ValueError(f"{word} has the wrong type of number")
    if kind == FIXED32:
        numbers = [float(str(np.float32(*struct.unpack("<f", value))))]  # 0.0001, as it was written
    else:
        numbers = [value] if kind == VARINT else _packed(value)
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{word} is not a finite number")
    if numbers:
        layer.parameters.setdefault(word, []).extend(numbers)


def _packed(data: memoryview) -> list[int]:
    """Return the whole numbers of a packed field."""
    found, at = [], 0
    while at < len(data):
        number, at = _varint(data, at)
        found.append(number)
        if len(found) > MOST_SIZES:
            raise ValueError(f"an array with more than {MOST_SIZES} sizes")
    return found


def _blob(data: memoryview) -> np.ndarray:
    """Return the values of a blob; its gradients are ignored."""
    sizes, shape, held = {}, None, {}
    for number, kind, value in fields(data):
        if number in (FLOATS, DOUBLES) and kind != VARINT:
            if number not in held:
                held[number] = value
                continue
            if isinstance(held[number], memoryview):  # the values are in several fields
                held[number] = bytearray(held[number])
            held[number] += value
        elif NUM <= number <= WIDTH and kind == VARINT:
            sizes[number] = value
        elif number == SHAPE and kind == BYTES:
            shape = []
            for _, dims_kind, dims in fields(value, MOST_SIZES):
                shape += [dims] if dims_kind == VARINT else _packed(dims)
    if shape is None:
        shape = [sizes.get(number, 1) for number in range(NUM, WIDTH + 1)]
    item = np.dtype("<f8" if DOUBLES in held else "<f4")
    raw = held.get(DOUBLES, held.get(FLOATS, b""))
    if len(shape) > MOST_SIZES or math.prod(shape) * item.itemsize != len(raw):
        claimed = " x ".join(map(str, shape[:MOST_SIZES]))
        there = len(raw) // item.itemsize
        raise ValueError(f"a blob claims {claimed} numbers, but holds {there:,}")
    return np.frombuffer(raw, item).reshape(shape)


def read_text(path: pathlib.Path) -> list[Layer]:
    """Return the layers of a `.prototxt`, without blobs; raise ValueError for another text."""
    if path.stat().st_size > LONGEST_TEXT:
        raise ValueError(f"the text is longer than {LONGEST_TEXT:,} bytes")
    words = (word for word in TOKEN.findall(path.read_text(errors="replace")) if word[0] != "#")
    layers = [inside for key, inside in _message(words) if key in ("layer", "layers")]
    if not layers or not all(isinstance(inside, list) for inside in layers):
        raise ValueError("it has no layers")
    return [_written(inside) for inside in layers]


def _message(words: Iterator[str], depth: int = 0) -> list[tuple[str, str | list]]:
    """Return (name, value) of the fields of a message in text; nested messages are lists."""
    found, key = [], None
    for word in words:
        if word == "}":
            if not depth or key is not None:
                break
            return found
        if key is None:
            key = word
            continue
        if word == "{" and depth == DEEPEST_TEXT:
            raise ValueError("messages are nested too deeply")
        found.append((key, _message(words, depth + 1) if word == "{" else word.strip("\"'")))
        key = None
    if depth or key is not None:
        raise ValueError("a brace or a value is missing")
    return found


def _written(message: list[tuple[str, str | list]]) -> Layer:
    layer, inner = Layer("", "", [], [], {}, []), None
    for key, value in message:
        if key == "layer" and isinstance(value, list):
            inner = _written(value)
        elif isinstance(value, list):
            for word, inside in value if key.endswith("_param") else ():
                _keep_text(layer, word, inside)
        elif key in ("name", "type"):
            layer = layer._replace(**{key: value if key == "name" else _type(value)})
        elif key in ("bottom", "top"):
            (layer.bottoms if key == "bottom" else layer.tops).append(value)
        else:
            _keep_text(layer, OLDEST_WORDS.get(key, key), value)
    return inner._replace(bottoms=layer.bottoms, tops=layer.tops) if inner else layer


def _keep_text(layer: Layer, word: str, value: str | list) -> None:
    """Add a number or an enum's name to the parameters of a layer."""
    if word not in KNOWN or isinstance(value, list):  # fillers, rates ... do not affect the result
        return
    named = ENUMS.get((word, value), ENUMS.get(value))
    number = float(value) if named is None else named
    if not math.isfinite(number) or (word not in REAL and number != int(number)):
        raise ValueError(f"{word} cannot be {value}")
    layer.parameters.setdefault(word, []).append(number)
