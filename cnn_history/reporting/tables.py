"""Tables on the console."""

import statistics

from rich.console import Console
from rich.table import Table


def paper_of(config, summary: dict) -> dict | None:
    """Return the paper's number if the run's model and data set are the paper's, else None."""
    paper = config.paper
    same = (paper.model, paper.dataset) == (summary["model"], summary["dataset"])
    return paper.to_dict() if same else None


def runs(summaries: list[dict], paper: dict | None) -> None:
    """Print what runs that differ in their seed reached, beside the paper's number."""
    first = summaries[0]
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = ["network", "data set", "parameters", "steps", "test error"]
    cells = [first["model"], first["dataset"], f"{first['parameters']:,}", f"{first['steps']:,}"]
    errors = [summary["test"]["top1_error"] for summary in summaries]
    cells.append(spread(errors))
    if paper:
        columns.append("paper's error")
        cells.append(f"{paper['top1_error']:.2%} ({paper['source']})")
    columns.append("time")
    seconds = statistics.fmean(summary["seconds"] for summary in summaries)
    cells.append(f"{seconds:,.0f} s" + (" each" if len(summaries) > 1 else ""))
    for column in columns:
        table.add_column(column, overflow="fold")
    table.add_row(*cells)
    Console(width=max(100, Console().width)).print(table)


def spread(errors: list[float]) -> str:
    """Return the mean error and, of several, their standard deviation and number."""
    mean = f"{statistics.fmean(errors):.2%}"
    if len(errors) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(errors):.2%} (n={len(errors)})"
