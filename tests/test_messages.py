"""The real commands refuse bad input with one line and the right exit status."""

import pytest

from tests import messages

# Every other case ends with status 2 before anything is compiled.
STATUS = {
    "photos in every format, some of them damaged or too large": 0,
    "a step that is not finite": 1,
}


def test_each_is_one_line_and_its_status(tmp_path):
    pytest.importorskip("torch", reason="needs the extra torch: EXTRAS=torch ./launch.sh test")
    for verb, what, status, said in messages.rows(tmp_path):
        assert status == STATUS.get(what, 2), (what, status, said)
        reasons = [line for line in said if line.startswith(f"{verb}: ")]
        assert len(reasons) == (status != 0), (what, said)
        assert all(line.startswith("skipped: ") for line in said if line not in reasons)
