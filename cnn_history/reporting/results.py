"""What was measured, and the README's table made from it.

    python -m cnn_history.reporting.results runs/lenet5_mnist results/lenet5_mnist.json

keeps a finished run (or one of several seeds) as one JSON: config, seeds, errors, device, versions,
commit. Without arguments it prints the README's table of all that is kept.
"""

import json
import pathlib
import sys

from cnn_history import papers
from cnn_history.reporting.tables import spread

RESULTS = pathlib.Path(__file__).parents[2] / "results"


def keep(workdir: pathlib.Path, path: pathlib.Path) -> None:
    """Write the result of a work directory to `path`."""
    summary = json.loads((workdir / "summary.json").read_text())
    member = workdir if (workdir / "config.json").exists() else next(workdir.glob("seed_*"))
    config = json.loads((member / "config.json").read_text())
    config.pop("data_dir")  # where the data stood is of no use elsewhere
    path.write_text(json.dumps({"kind": "run", **summary, "config": config}, indent=2) + "\n")


def table(folder: pathlib.Path = RESULTS) -> str:
    """Return the Markdown table of the runs kept in a folder, the papers' numbers beside ours."""
    names = "network", "data", "trained by", "the paper's error", "ours, mean ± s.d.", "steps"
    names += "time a run", "on"
    rows = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text())
        if result.get("kind") != "run":
            continue
        paper, test = papers.reported(result["config"]), result["test"]
        quoted = f"{paper.top1:.2f}% ({paper.cited})" if paper else "–"
        errors = test.get("top1_errors", [test["top1_error"]])
        ours = spread(errors) + (" (n=1)" if len(errors) == 1 else "")
        rule = result["config"]["optimizer"]["name"]
        cells = [result["model"], result["dataset"], rule, quoted, ours, f"{result['steps']:,}"]
        rows.append(f"| {' | '.join(cells)} | {result['seconds']:,.0f} s | {result['devices']} |")
    return "\n".join(rows)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        keep(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
    else:
        print(table())
