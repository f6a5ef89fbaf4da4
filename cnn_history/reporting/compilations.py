"""What programs need on slices: on the console, and as a table for a document."""

import json
import pathlib
from collections.abc import Sequence

from cnn_history.reporting import markdown, tables

MIB, GIB = 2**20, 2**30
COLUMNS = (
    "row",
    "network",
    "dtype",
    "slice",
    "images a device",
    "norms",
    "kept",
    "peak",
    "temporaries",
    "fits",
)
COLUMNS += ("GFLOP a step", "GB a step", "bound by", "gradient", "statistics", "other", "minutes")


def show(found: dict) -> None:
    """Print what `compile` found."""
    print(
        f"{found['model']} on {found['devices']} chips of {found['device_kind']} "
        f"({found['topology']}): {found['batch_size']:,} images, "
        f"{found['images_per_device']:,} a chip.\n"
    )
    tables.rows([_needs(name, one) for name, one in found["programs"].items()])
    for name, one in found["programs"].items():
        if not one["fits"]:
            over = one["peak_bytes"] - one["hbm_bytes"]
            print(f"\n{name} does not fit, by {_size(over)}.")
    if "largest" in found:
        print("\n" + _largest(found["largest"]))
    if "collectives" not in found:
        return
    if found["flops"] is not None:
        print(_bounds(found))
    print("\nCollectives of a step")
    tables.rows([{**one, "bytes": _size(one["bytes"])} for one in found["collectives"]])
    if found["layout"]:
        print("\nWhat layouts cost a step, the largest")
        tables.rows([{**one, "bytes": _size(one["bytes"])} for one in found["layout"]])


def trial(images: int, shown: dict | None, seconds: int) -> str:
    """Return a line on one compilation of a search."""
    if shown is None:
        return f"{images:,} images a device: not compiled within {seconds:,} s."
    fits = "fit" if shown["fits"] else "do not fit"
    return (
        f"{images:,} images a device: {_size(shown['peak_bytes'])} of {_size(shown['hbm_bytes'])}, "
        f"{fits}; compiled in {shown['seconds']:,.0f} s."
    )


def _bounds(found: dict) -> str:
    bound = found["bound"]
    return (
        f"\nA step computes {found['flops'] / 1e9:,.4g} GFLOP and moves "
        f"{found['bytes_accessed'] / 1e9:,.4g} GB on each device: bound by {bound['by']}. It can "
        f"reach at most {bound['most_of_peak']:.1%} of the published peak and at most "
        f"{bound['most_of_bandwidth']:.1%} of the bandwidth; these are bounds, not forecasts."
    )


def _needs(name: str, one: dict) -> dict:
    parts = {"arguments": "argument_bytes", "temporaries": "temp_bytes", "peak": "peak_bytes"}
    return {
        "program": name,
        **{part: _size(one[key]) if key in one else "" for part, key in parts.items()},
        "HBM": _size(one["hbm_bytes"]),
        "fits": one["fits"],
        "compiled in": f"{one['seconds']:,.1f} s",
    }


def _largest(found: dict) -> str:
    beyond = f"; {found['too_many']:,} do not" if found["too_many"] else ", and maybe more"
    if unknown := found["unknown"]:
        late = f"{found['seconds_of_each']:,} s were not enough to compile for {unknown:,}"
        beyond = f"{beyond if found['too_many'] else ''}; {late}"
    times = found["compilations"]
    return f"{found['images']:,} images a device fit{beyond} ({times} more compilations)."


def _size(number: int) -> str:
    if number < MIB:
        return f"{number / 2**10:,.1f} KiB"
    return f"{number / GIB:,.2f} GiB" if number >= GIB else f"{number / MIB:,.1f} MiB"


def table(paths: Sequence[pathlib.Path]) -> str:
    """Return the table of files that `compile --output` has written, as Markdown; "" for none."""
    if not paths:
        return ""
    rows = [[path.stem, *_row(json.loads(path.read_text()))] for path in paths]
    return markdown.table(COLUMNS, rows)


def _row(found: dict) -> list[str]:
    config, step = found["config"], found["programs"]["step"]
    norm = config["model"].get("norm", {})
    group = norm["batch_norm"]["group_size"] if norm.get("name") == "batch_norm" else None
    start = [found["model"], config["dtype"], found["topology"], f"{found['images_per_device']:,}"]
    start += ["" if group is None else f"of {group}" if group else "of all"]
    start += [config.get("kept", "all")]  # rows of earlier versions have no such field
    if "collectives" not in step:
        over = _size(step["peak_bytes"] - step["hbm_bytes"])
        rest = [_size(step["peak_bytes"]), "", f"no, by {over}", *[""] * 6]
        return [*start, *rest, f"{found['seconds'] / 60:.1f}"]
    counts = dict.fromkeys(("gradient", "statistics", "other"), 0)
    later = dict(counts)
    for one in found["collectives"]:
        counts[one["use"]] += one["count"]
        later[one["use"]] += one["count"] * one["async"]
    return [
        *start,
        _size(step["peak_bytes"]),
        _size(step["temp_bytes"]),
        "yes" if step["fits"] else "no",
        *_counted(found),
        *(f"{counts[use]}" + (f" ({later[use]} async)" if later[use] else "") for use in counts),
        f"{found['seconds'] / 60:.1f}",
    ]


def _counted(found: dict) -> list[str]:
    if found["flops"] is None:  # of GPUs
        return [""] * 3
    bound = found["bound"]
    flops, moved = found["flops"] / 1e9, found["bytes_accessed"] / 1e9
    return [
        f"{flops:,.4g}",
        f"{moved:,.4g}",
        f"{bound['by']} (≤ {bound['most_of_peak']:.0%} of peak)",
    ]
