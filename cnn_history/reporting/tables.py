"""Tables on the console."""

import numbers
import statistics

from rich.console import Console
from rich.table import Table

from cnn_history.papers import Published


def runs(summaries: list[dict], paper: Published | None) -> None:
    """Print the result of runs that differ only in their seed, with the paper's number."""
    first = summaries[0]
    seconds = statistics.fmean(summary["seconds"] for summary in summaries)
    row = {
        "network": first["model"],
        "data set": first["dataset"],
        "parameters": f"{first['parameters']:,}",
        "steps": f"{first['steps']:,}",
        "test error": spread([summary["test"]["top1_error"] for summary in summaries]),
    }
    if paper:
        row["paper's error"] = _quote(paper)
    row["time"] = f"{seconds:,.0f} s" + (" each" if len(summaries) > 1 else "")
    _show(row)


def evaluation(result: dict, published: list[Published], paper: Published | None) -> None:
    """Print the errors of an evaluation, followed by the papers' results.

    Args:
      result: the result of `evaluate`.
      published: printed results of the same network, data and protocol.
      paper: the printed result for the run, shown if `published` is empty.
    """
    row = {
        "network": " + ".join(result["models"]),
        "data set": f"{result['dataset']} {result['split']}",
        "images": f"{result['count']:,}",
        **{
            name.replace("_", " "): f"{result[name]:,}"
            for name in ("skipped_images", "not_finite")
            if result.get(name)
        },
        "protocol": result["protocol"],
        "top-1 error": f"{result['top1_error']:.2%}",
    }
    if "top5_error" in result:
        row["top-5 error"] = f"{result['top5_error']:.2%}"
    if paper and not published:
        row["paper's error"] = _quote(paper)
    quoted = [
        {
            "network": f"{theirs.label} ({theirs.source})",
            "data set": f"{theirs.dataset} {theirs.split}",
            "images": "",
            "protocol": theirs.protocol,
            "top-1 error": "" if theirs.top1 is None else f"{theirs.top1:.2f}%",
            "top-5 error": "" if theirs.top5 is None else f"{theirs.top5:.2f}%",
        }
        for theirs in published
    ]
    _show(row, *quoted)
    if "per_class" in result:
        rows(result["per_class"])


def rows(found: list[dict]) -> None:
    """Print a table of flat rows, numbers to four digits."""
    _show(*found, width=150, no_wrap=True, overflow="ellipsis")


def _show(*found: dict, width=100, no_wrap=False, overflow="fold") -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = list(dict.fromkeys(name for row in found for name in row))
    for name in names:
        numeric = all(isinstance(row.get(name, 0), numbers.Real) for row in found)
        look = {"justify": "right" if numeric else "left", "no_wrap": no_wrap, "overflow": overflow}
        table.add_column(name.replace("_", " "), **look)
    for row in found:
        table.add_row(*[_cell(row.get(name, "")) for name in names])
    Console(width=max(width, Console().width), highlight=False, markup=False).print(table)


def _cell(value) -> str:
    if isinstance(value, numbers.Integral):
        return str(value) if isinstance(value, bool) else f"{value:,}"
    return f"{value:.4g}" if isinstance(value, numbers.Real) else str(value)


def _quote(paper: Published) -> str:
    return f"{paper.top1:.2f}% ({paper.cited})"


def spread(errors: list[float]) -> str:
    """Return the mean error; for several errors, with their standard deviation and number."""
    mean = f"{statistics.fmean(errors):.2%}"
    if len(errors) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(errors):.2%} (n={len(errors)})"
