"""docs/faults.md matches the measurements."""

from tests.faults import page


def test_the_section_is_that_of_the_results():
    assert page.section() in page.PAGE.read_text()
