"""Write a static web page about runs, studies, claims and benchmarks.

    python -m cnn_history.report --runs=runs --output=runs/page

Open index.html there in a browser. The page also shows the checkout's results/. For anything that
is missing, it names the command that makes it.
"""

import pathlib
import sys
import time

from absl import flags

from cnn_history import commands, lecture, studies
from cnn_history.errors import UserError, blame
from cnn_history.files import record
from cnn_history.reporting import page
from cnn_history.reporting.results import RESULTS

RUNS = flags.DEFINE_string("runs", None, "Folder of runs, studies, claims and benchmarks.")
OUTPUT = flags.DEFINE_string("output", None, "Folder of the page; created if missing.")
flags.mark_flags_as_required(["runs", "output"])


def main(argv: list[str]) -> None:
    runs, output = (pathlib.Path(flag.value).expanduser() for flag in (RUNS, OUTPUT))
    if not runs.is_dir():
        raise UserError(f"--runs: folder '{runs}' does not exist.")
    with blame("--output", (PermissionError, NotADirectoryError, FileExistsError)):
        if output.exists() and any(output.iterdir()) and not page.is_page(output):
            raise UserError(f"--output: '{output}' holds other files; choose an empty folder.")
        output.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    searched = [folder for folder in (RESULTS, runs) if folder.is_dir()]
    folders = " and ".join(map(str, searched))
    commands.announce(f"writing a page about {folders} to {output}")
    made = record.versions()
    for line in page.write(searched, output, [*studies.STUDIES], lecture.LECTURES.values(), made):
        print(f"report: {line}", file=sys.stderr)
    print(f"{output / page.INDEX} is written, in {time.monotonic() - begun:.0f} s.")


if __name__ == "__main__":
    commands.run(main)
