"""Check what the lecture says: its words, what is computed here and now, and the verdict.

    python -m cnn_history.claims
    python -m cnn_history.claims --id=C050,C123

The exit status is 1 if a computed value no longer supports the verdict that is on record.
"""

import json
import re
import sys
import time

from absl import flags

from cnn_history import commands, lecture
from cnn_history.errors import UserError
from cnn_history.reporting import claims as report
from cnn_history.training import devices

ID = flags.DEFINE_list("id", None, "Claims, a comma list such as C050,C123; all if not given.")
FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "What is printed.")
OUTPUT = flags.DEFINE_string("output", None, "File that gets the JSON, whatever is printed.")


def main(argv: list[str]) -> None:
    """Run the verb."""
    del argv
    output = OUTPUT.value and commands.writable("--output", OUTPUT.value)
    chosen = _chosen()
    devices.start()
    begun = time.monotonic()
    results = lecture.run(chosen)
    if FORMAT.value == "table":
        results = report.by_slide(chosen, results)
    results = list(results)
    if FORMAT.value == "table":
        report.counts(results, lecture.VERDICTS, time.monotonic() - begun)
    document = json.dumps([_row(result) for result in results], indent=2)
    if output:
        output.write_text(document + "\n")
    if FORMAT.value == "json":
        print(document)
    failed = [result for result in results if not result.supported]
    for claim, found in failed:
        print(
            f"claims: {claim.id}: '{claim.stated}' is no longer supported by what is computed: "
            f"{found.computed}",
            file=sys.stderr,
        )
    sys.exit(1 if failed else 0)


def _chosen() -> list[lecture.Claim]:
    """Return the claims that are asked for; raise UserError with the nearest id for a wrong one."""
    claims = lecture.claims()
    for id in ID.value or ():
        if id not in claims:
            raise UserError(f"--id: there is no claim '{id}'; {_nearest(id, list(claims))}")
    return [claim for id, claim in claims.items() if ID.value is None or id in ID.value]


def _nearest(id: str, ids: list[str]) -> str:
    number = re.fullmatch(r"[Cc]?(\d+)", id)
    if not number:
        return f"they are {ids[0]} to {ids[-1]}."
    return f"did you mean '{min(ids, key=lambda known: abs(int(known[1:]) - int(number[1])))}'?"


def _row(result: lecture.Result) -> dict[str, str]:
    claim = result.claim
    return {
        "id": claim.id,
        "slide": claim.slide,
        "quote": claim.quote,
        "computed": result.found.computed,
        "verdict": result.verdict,
        "truth": result.truth,
    }


if __name__ == "__main__":
    commands.run(main)
