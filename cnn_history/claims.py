"""Check a lecture's claims: each quote, the value computed now, and the verdict.

    python -m cnn_history.claims
    python -m cnn_history.claims --id=C050,C123
    python -m cnn_history.claims --lecture=lenet_to_resnet

The exit status is 1 if a computed value contradicts the recorded verdict.
"""

import json
import sys
import time

from absl import flags

from cnn_history import commands, lecture
from cnn_history.errors import UserError, blame
from cnn_history.files import record
from cnn_history.lecture.claim import BY_STUDY
from cnn_history.lookup import lookup
from cnn_history.reporting import verdicts
from cnn_history.training import devices

LECTURE = flags.DEFINE_string("lecture", None, "A lecture's key; all lectures if not given.")
ID = flags.DEFINE_list("id", None, "Comma list of claims, such as C050,C123; all if not given.")
FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "Output format.")
OUTPUT = flags.DEFINE_string("output", None, "File to write the JSON to, in any format.")


def main(argv: list[str]) -> None:
    output = OUTPUT.value and commands.writable("--output", OUTPUT.value)
    chosen = _chosen()
    devices.start()
    every = [claim for claims in chosen.values() for claim in claims]
    words = f"{len(every)} claim{'s' * (len(every) > 1)}, computed on {record.devices()}"
    if studied := sum(claim.stated == BY_STUDY for claim in every):
        words += f"; {studied} of them by studies, which can take minutes"
    commands.announce(words)
    begun = time.monotonic()
    results = []
    for title, claims in chosen.items():
        found = map(lecture.evaluate, claims)
        if FORMAT.value == "table":
            found = verdicts.by_slide(title, claims, found)
        results += found
    if FORMAT.value == "table":
        verdicts.counts(results, lecture.VERDICTS, time.monotonic() - begun)
    document = json.dumps([_row(result) for result in results], indent=2)
    if output:
        output.write_text(document + "\n")
    if FORMAT.value == "json":
        print(document)
    failed = [result for result in results if not result.supported]
    for claim, finding in failed:
        print(
            f"claims: {claim.id}: the computed value contradicts the verdict '{claim.stated}': "
            f"{finding.computed}",
            file=sys.stderr,
        )
    sys.exit(1 if failed else 0)


def _chosen() -> dict[str, list[lecture.Claim]]:
    """Return the requested claims by the title of their lecture.

    Raises UserError, with the nearest name, for an unknown key or id.
    """
    lectures = lecture.LECTURES.values()
    if LECTURE.value is not None:
        with blame("--lecture"):
            lectures = [lookup(lecture.LECTURES, LECTURE.value, "lecture")]
    ids = [claim.id for talk in lectures for claim in talk.claims]
    for id in ID.value or ():
        if id not in ids:
            raise UserError(f"--id: unknown claim '{id}'; {_nearest(id, ids)}")
    return {
        talk.title: claims
        for talk in lectures
        if (claims := [claim for claim in talk.claims if ID.value is None or claim.id in ID.value])
    }


def _nearest(id: str, ids: list[str]) -> str:
    """Suggest the id with the nearest number, or name the first and the last id."""
    letter, number = id[:1].upper(), id[1:]
    known = [int(other[1:]) for other in ids if other[0] == letter]
    if not (known and number.isdecimal()):
        return f"they are {ids[0]} to {ids[-1]}."
    nearest = min(known, key=lambda other: abs(other - int(number)))
    return f"did you mean '{letter}{nearest:03}'?"


def _row(result: lecture.Result) -> dict[str, str]:
    claim = result.claim
    return {
        "id": claim.id,
        "slide": claim.slide,
        "quote": claim.quote,
        "computed": result.finding.computed,
        "verdict": result.verdict,
        "truth": result.truth,
    }


if __name__ == "__main__":
    commands.run(main)
