"""docs/faults.md says what the commands say."""

import pytest

from tests import messages


def test_the_page_has_each_message_as_it_is_printed(tmp_path):
    pytest.importorskip("torch", reason="needs the extra torch: EXTRAS=torch ./launch.sh test")
    page = messages.PAGE.read_text()
    made = messages.section(tmp_path)
    assert messages.with_section(page, made).count(messages.TITLE) == 1
    there = messages.comparable(page).splitlines()
    for line in messages.comparable(made).splitlines():
        assert line in there, f"{line}\nis not in docs/faults.md; python -m tests.messages mends it"


def test_each_is_one_line_and_status_2_but_for_what_happens_in_a_run():
    page = messages.PAGE.read_text().partition(messages.TITLE)[2].partition("\n## ")[0]
    for item in page.split("\n* ")[1:]:
        head, *said = [line for line in item.splitlines() if line.strip()]
        assert said, head
        assert head.endswith((", 2)", ", 1)")) or "skipped: " in said[0], head
