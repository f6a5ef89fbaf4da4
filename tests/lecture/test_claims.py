"""The lecture's claims: what is on record, what is computed, and what a broken part does to it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from cnn_history import lecture
from cnn_history.lecture.accounts import output
from cnn_history.lecture.claim import ADVICE, AGREES, BY_STUDY, ERRS, QUOTED, evaluate, slide
from cnn_history.lecture.outcome import outcome
from cnn_history.lecture.quoted import errors
from cnn_history.papers import KRIZHEVSKY_2012
from tests.shared import SHARED, needs_shared
from tests.training.runs import CHECKOUT

CLAIMS = lecture.claims()
LINES = [f"C{i:03}" for i in range(64, 94)]  # of activations: seeds are drawn for them
TRAINED = [  # or measured from the same activations
    *("C059", "C061", "C062", *(f"C{i:03}" for i in range(94, 100)), "C154", "C157"),
    *("C160", "C161", "C162", "C163", "C165", "C166", "C167"),
]


def test_every_claim_supports_its_verdict():
    """All that need no training; the rest are in a run of the verb, and below."""
    fast = [claim for id, claim in CLAIMS.items() if id not in (*LINES, *TRAINED)]
    for result in lecture.run(fast):
        assert result.supported, (result.claim.id, result.found)
        assert result.truth.endswith(".") or (result.verdict != ERRS and not result.truth)
        assert result.found.computed or result.verdict == ADVICE


def test_the_printed_deviations_of_one_start():
    """Ten of the thirty lines, which have one measurement in common."""
    for result in lecture.run(CLAIMS[id] for id in LINES[-10:]):
        assert result.verdict == AGREES, result.found


def test_a_wrong_number_is_an_error():
    said = {"val top-1": 40.7, "val top-5": 18.1}  # 18.2 in the paper
    rows = slide(
        "a slide",
        ("C901", "1 CNN 40.7/18.1", QUOTED, errors, KRIZHEVSKY_2012, "1 CNN", "ten_crop", said),
        ("C902", "CONV1 54x54x96", AGREES, output, "alexnet", "conv1", (54, 54, 96)),
        ("C903", "CONV1 55x55x96", ERRS, output, "alexnet", "conv1", (55, 55, 96)),
    )
    found = [evaluate(claim) for claim in rows]
    assert [result.verdict for result in found] == [ERRS, ERRS, AGREES]
    assert not any(result.supported for result in found)
    assert found[1].truth == "Here: 55x55x96."


def test_an_outcome_has_its_interval():
    sure, unsure = (outcome(np.array(values), "it is more") for values in ([3, 4, 5], [-3, 1, 5]))
    assert sure.computed == "yes: it is more by 1.52 to 6.48 (95 %, n=3)"
    assert unsure.computed.startswith("inconclusive: ")
    assert sure.right
    assert not outcome(np.array([3.0, np.nan, 5.0]), "it is more").right


def test_without_the_data_of_a_study_the_rest_is_evaluated(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    study, other = lecture.run([CLAIMS["C059"], CLAIMS["C004"]])
    assert study.found.computed.startswith(f"inconclusive: mnist is not in {tmp_path}")
    assert study.supported
    assert study.verdict == BY_STUDY
    assert other.verdict == AGREES


# What is broken, and the claims that show it.
BROKEN = {
    "a layer, which pads": ("C004", """
from cnn_history.layers import pooling
pooling._padding = lambda *sizes: (1, 1)
"""),
    "an optimizer, whose sum starts from 0.1": ("C141", """
import optax
from cnn_history import optimizers
optimizers.adagrad = lambda rate: optax.adagrad(rate, initial_accumulator_value=0.1)
"""),
    "an account, which counts a multiply-add as two": ("C115", """
import dataclasses
account = sys.modules["cnn_history.accounting.account"]
right = account._layer
def wrong(*row):
    return dataclasses.replace(right(*row), macs=2 * right(*row).macs)
account._layer = wrong
"""),
}  # fmt: skip


@pytest.mark.parametrize("part", BROKEN)
def test_a_broken_part_flips_a_claim(part):
    id, code = BROKEN[part]
    run = f"""
import sys
from cnn_history import claims, commands
{code}
sys.argv = [claims.__file__, "--id={id}", "--format=json"]
commands.run(claims.main)
"""
    done = subprocess.run(
        [sys.executable, "-c", run], capture_output=True, text=True, cwd=CHECKOUT, check=False
    )
    assert done.returncode == 1, done.stderr
    assert f"claims: {id}: 'agrees' is no longer supported" in done.stderr
    (row,) = json.loads(done.stdout)
    assert row["verdict"] == ERRS
    assert row["truth"]


def test_the_verb(tmp_path):
    path = tmp_path / "claims.json"
    arguments = ["--id=C123,C050,C004", "--format=table", f"--output={path}"]
    command = [sys.executable, "-m", "cnn_history.claims", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())
    assert [row["id"] for row in rows] == ["C004", "C050", "C123"]
    assert all(
        list(row) == ["id", "slide", "quote", "computed", "verdict", "truth"] for row in rows
    )
    assert "15,237,608" in rows[1]["computed"]
    assert "358,055,936" in rows[2]["truth"]
    for words in (
        "TOTAL memory",
        "errs",
        "no reading gives 24M.",
        "3 claims in",
        "otherwise than the lecture",
    ):
        assert words in done.stdout


def recorded(fact: dict) -> set[str]:
    """Return the classes that a fact's longer wording, and how it was found, leave open.

    What was read in a paper is `quoted` here; there it is in `how`.
    """
    wording = fact["verdict"]
    if "errs" in wording or "misattributed" in wording or "wrong" in wording:
        return {ERRS}
    if wording in ("by study", "demonstrated", "not checkable by arithmetic"):
        return {BY_STUDY}
    if wording in ("advice", "scope note"):
        return {ADVICE}
    assert wording.startswith("agrees") or wording in ("by account", "answered"), wording
    read = ("paper", "Table", "sec.", "abstract", "arXiv")
    return {AGREES, QUOTED} if any(word in fact["how"] for word in read) else {AGREES}


@needs_shared
def test_the_record_is_that_of_the_facts():
    facts = json.loads((SHARED / "facts" / "lecture_claims.json").read_text())
    assert set(lecture.VERDICTS) == set(facts["verdict_classes"])
    assert list(CLAIMS) == [fact["id"] for fact in facts["claims"]]
    for claim, fact in zip(CLAIMS.values(), facts["claims"], strict=True):
        assert (claim.slide, claim.quote) == (fact["slide"], fact["quote"])
        assert claim.stated in recorded(fact), claim.id
