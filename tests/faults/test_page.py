"""docs/faults.md holds what was measured."""

from tests.faults import page


def test_the_section_is_that_of_the_results():
    assert page.section() in page.PAGE.read_text()
