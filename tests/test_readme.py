import pathlib

from cnn_history.reporting import results

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text()


def test_the_table_is_made_from_what_was_measured():
    """`./launch.sh python -m cnn_history.reporting.results` prints it."""
    assert results.table() in README


def test_every_picture_is_there():
    for line in README.splitlines():
        if line.startswith("!["):
            path = line.split("(", 1)[1].split(")")[0]
            assert (results.RESULTS.parent / path).is_file(), path
