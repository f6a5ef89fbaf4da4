"""ZFNet (Zeiler & Fergus 2013)."""

from cnn_history.lecture.accounts import account, layer, window
from cnn_history.lecture.claim import AGREES, ERRS, Claim, Found, slide
from cnn_history.lecture.quoted import rows, test_errors
from cnn_history.papers import KRIZHEVSKY_2012, SIMONYAN_2014, ZEILER_2013

DEEP = ("conv3", "conv4", "conv5")


def claims() -> tuple[Claim, ...]:
    """The claims."""
    return slide(
        "ZFNet",
        ("C019", "CONV1 11x11/4 -> 7x7/2", AGREES, first_layer, "11x11/4", "7x7/2"),
        (
            "C020",
            "CONV3,4,5 512,1024,512 instead of 384,384,256",
            ERRS,
            maps,
            (512, 1024, 512),
            (384, 384, 256),
        ),
        ("C021", "ImageNet top-5 error 16.4% -> 11.7%", ERRS, error, 16.4, 11.7),
    )


def first_layer(before: str, after: str) -> Found:
    """Window and stride of the first convolution, before and after."""
    found = [window(layer(model, "conv1")) for model in ("alexnet_2012", "zfnet")]
    second = [window(layer(model, "conv2")) for model in ("alexnet_2012", "zfnet")]
    return Found(
        " -> ".join(found),
        found == [before, after],
        f"The paper changes conv2 too: {' -> '.join(second)} (fig. 3).",
    )


def maps(said: tuple[int, ...], instead: tuple[int, ...]) -> Found:
    """Maps of the last three convolutions."""
    found, variant, before = (
        tuple(layer(model, name).output[-1] for name in DEEP)
        for model in ("zfnet", "zfnet_b", "alexnet_2012")
    )
    named = " the paper's variant (b)" if variant == said else " no network of the paper"
    return Found(
        f"zfnet has {', '.join(map(str, found))}",
        found == said and before == instead,
        f"These are the maps of{named}; the network of fig. 3 keeps {', '.join(map(str, found))} "
        f"and has {account('zfnet').parameters:,} parameters, not "
        f"{account('zfnet_b').parameters:,}.",
    )


def error(before: float, after: float) -> Found:
    """The error that the slide gives to the paper's network."""
    own = test_errors(ZEILER_2013)
    (clarifai,) = [row for row in rows(SIMONYAN_2014, "Clarifai") if row.top5 == after]
    alexnet = [row.top5 for row in rows(KRIZHEVSKY_2012, "5 CNNs") if row.split == "test"]
    return Found(
        f"the paper prints {', '.join(map(str, sorted(own)))} on test",
        after in own and before in alexnet,
        f"The paper's own test errors are {', '.join(map(str, sorted(own)))} (table 2); {after} is "
        f"{clarifai.label} ({clarifai.source}), an entry of several networks.",
    )
