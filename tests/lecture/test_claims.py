"""Claims: recorded verdicts, computed values, and the effects of broken parts."""

import dataclasses
import importlib
import json
import subprocess
import sys

import numpy as np
import optax
import pytest

from cnn_history import lecture
from cnn_history.layers import pooling
from cnn_history.lecture.by_study import outcome
from cnn_history.lecture.claim import ADVICE, AGREES, BY_STUDY, ERRS, QUOTED, evaluate, slide
from cnn_history.lecture.lenet_to_resnet import benefits
from cnn_history.lecture.quoted import errors
from cnn_history.lecture.read_off import account, output
from cnn_history.papers import KRIZHEVSKY_2012
from cnn_history.studies import batch_norm_measures, inception_cost
from cnn_history.studies.batch_norm_nets import BARE, NETS, NORMED, PAIR
from tests.shared import SHARED, needs_shared
from tests.training import runs

# Modules whose names the packages above them give to functions.
accounting_of_layers = importlib.import_module("cnn_history.accounting.account")
adagrad = importlib.import_module("cnn_history.optimizers.adagrad")

CLAIMS = lecture.claims()
LINES = [f"C{i:03}" for i in range(64, 94)]  # of activations: seeds are drawn for them
TRAINED = [  # or measured from the same activations
    *("C059", "C061", "C062", *(f"C{i:03}" for i in range(94, 100)), "C154", "C157"),
    *("C160", "C161", "C162", "C163", "C165", "C166", "C167"),
]


def test_every_claim_supports_its_verdict():
    """All claims without training; a run of the verb checks the others."""
    fast = [claim for id, claim in CLAIMS.items() if id not in (*LINES, *TRAINED)]
    for result in map(evaluate, fast):
        assert result.supported, (result.claim.id, result.finding)
        assert result.truth.endswith(".") or (result.verdict != ERRS and not result.truth)
        assert result.finding.computed or result.verdict == ADVICE


def test_the_printed_deviations_of_one_start():
    """Ten of the thirty lines, which have one measurement in common."""
    for result in (evaluate(CLAIMS[id]) for id in LINES[-10:]):
        assert result.verdict == AGREES, result.finding


def test_a_wrong_number_is_an_error():
    said = (40.7, 18.1)  # 18.2 in the paper
    rows = slide(
        "a slide",
        ("C901", "1 CNN 40.7/18.1", QUOTED, errors, KRIZHEVSKY_2012, "1 CNN", "ten_crop", *said),
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


def test_each_benefit_of_batch_norm_follows_its_measurement(monkeypatch):
    """Batch norm trains everywhere, the other net nowhere; dropout helps that one alone."""
    ends = {BARE: np.full((2, 9), 2.3), NORMED: np.zeros((2, 9))}
    errors = {name: np.array([0.2, 0.21]) for name in NETS} | {BARE: np.array([0.4, 0.42])}
    flow = {net: {"conv1": np.ones(2), "fc2": np.ones(2)} for net in PAIR}
    made = {"losses_by_rate": ends, "losses_by_gain": ends, "test_errors": errors}
    for name, value in made.items():
        monkeypatch.setattr(batch_norm_measures, name, lambda nets, value=value: value)
    monkeypatch.setattr(batch_norm_measures, "gradients", lambda nets, gain: flow)
    monkeypatch.setattr(benefits, "nets", lambda: None)
    outcomes = [evaluate(claim).finding.computed.partition(":")[0] for claim in benefits.CLAIMS]
    assert outcomes == ["inconclusive", "yes", "yes", "yes"]


def test_without_the_data_of_a_study_the_rest_is_evaluated(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    study, other = map(evaluate, (CLAIMS["C059"], CLAIMS["C004"]))
    assert study.finding.computed.startswith(f"inconclusive: mnist is not in {tmp_path}")
    assert study.supported
    assert study.verdict == BY_STUDY
    assert other.verdict == AGREES


def padded(monkeypatch):
    """A pooling layer pads."""
    monkeypatch.setattr(pooling, "_padding", lambda *sizes: (1, 1))


def started_from_a_tenth(monkeypatch):
    """The sum of AdaGrad starts from 0.1."""
    start = optax.scale_by_rss(initial_accumulator_value=0.1, eps=1e-7)
    monkeypatch.setattr(adagrad, "scale_by_adagrad", lambda eps: start)


def counted_twice(monkeypatch):
    """An account counts a multiply-add as two."""
    counted = accounting_of_layers._layer
    twice = lambda *row: dataclasses.replace(counted(*row), macs=2 * counted(*row).macs)  # noqa: E731
    monkeypatch.setattr(accounting_of_layers, "_layer", twice)


@pytest.mark.parametrize(
    ("break_it", "id"),
    [(padded, "C004"), (started_from_a_tenth, "C141"), (counted_twice, "C115")],
)
def test_a_broken_part_flips_a_claim(break_it, id, monkeypatch):
    remembered = (account, inception_cost.convolutions)
    assert evaluate(CLAIMS[id]).verdict == AGREES
    with monkeypatch.context() as patch:
        for function in remembered:
            function.cache_clear()
        break_it(patch)
        result = evaluate(CLAIMS[id])
    for function in remembered:
        function.cache_clear()
    assert not result.supported
    assert result.verdict == ERRS
    assert result.truth


# Contradicts a claim before the verb begins.
CONTRADICTED = """
import sys
from cnn_history import claims, commands, lecture
first, *others = lecture.LECTURES.values()
rows = [c._replace(stated="errs") if c.id == "C004" else c for c in first.claims]
lecture.LECTURES[first.key] = first._replace(claims=tuple(rows))
sys.argv = [claims.__file__, "--id=C004", "--format=json"]
commands.run(claims.main)
"""


def test_a_claim_that_is_no_longer_supported_ends_the_verb_with_status_1():
    command = [sys.executable, "-c", CONTRADICTED]
    done = subprocess.run(command, capture_output=True, text=True, cwd=runs.CHECKOUT, check=False)
    assert done.returncode == 1, done.stderr
    assert "C004: the computed value contradicts the verdict 'errs'" in done.stderr
    assert json.loads(done.stdout)[0]["verdict"] == AGREES


def test_the_verb(tmp_path):
    path = tmp_path / "claims.json"
    arguments = ("--id=C123,C050,C004", "--lecture=lenet_to_resnet", f"--output={path}")
    status, out, err = runs.run("claims", *arguments)
    assert status == 0, err
    rows = json.loads(path.read_text())
    assert [row["id"] for row in rows] == ["C004", "C050", "C123"]
    assert all(
        list(row) == ["id", "slide", "quote", "computed", "verdict", "truth"] for row in rows
    )
    assert "15,237,608" in rows[1]["computed"]
    assert "358,055,936" in rows[2]["truth"]
    for words in (lecture.LECTURES["lenet_to_resnet"].title, "TOTAL memory", "errs", "3 claims in"):
        assert words in out


def test_ids_are_of_one_lecture_each():
    ids = [claim.id for talk in lecture.LECTURES.values() for claim in talk.claims]
    assert len(set(ids)) == len(ids)
    assert all(key == talk.key for key, talk in lecture.LECTURES.items())


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
    for claim, fact in zip(
        lecture.LECTURES["lenet_to_resnet"].claims, facts["claims"], strict=True
    ):
        assert claim.id == fact["id"]
        assert (claim.slide, claim.quote) == (fact["slide"], fact["quote"])
        assert claim.stated in recorded(fact), claim.id
