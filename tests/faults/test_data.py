"""Data that change between starts of a run, or differ between its processes."""

import pytest

from cnn_history.files import workdir
from tests.faults import data_mutations, hosts
from tests.shared import needs_shared

EXCHANGED = 22  # the seed of a try that exchanges two photos, and does no more


def check(row):
    assert row["statuses"] == (hosts.STATUS, hosts.STATUS), row
    assert max(row["seconds"]) < 60, row
    assert all(len(said) == 1 for said in row["said"]), row


@needs_shared
def test_a_start_goes_on_with_the_same_data_alone():
    rows = data_mutations.campaign(range(4))
    assert {row["status"] for row in rows} == {0, 2}
    assert not data_mutations.wrong(rows)


@needs_shared
def test_what_goes_on_with_other_data_is_found(monkeypatch):
    """The campaign itself: of a run that does not look."""
    monkeypatch.setattr(workdir, "check_same_data", lambda *arguments: None)
    rows = data_mutations.campaign([EXCHANGED])
    assert rows[0]["changes"] == ["exchange"]
    assert data_mutations.wrong(rows) == rows


@pytest.mark.slow
@needs_shared
def test_and_in_two_hundred_tries():
    assert not data_mutations.wrong(data_mutations.campaign())


def test_an_error_of_one_host_is_that_of_both():
    check(hosts.one(hosts.no_data))


@pytest.mark.slow
@pytest.mark.parametrize("differ", hosts.DIFFERENCES)
def test_hosts_that_differ_end_together(differ):
    check(hosts.one(differ))
