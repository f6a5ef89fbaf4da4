"""The tables that `evaluate` prints."""

from cnn_history import papers
from cnn_history.reporting import tables


def test_the_papers_row_stands_below_ours(capsys):
    result = {
        **{"models": ["googlenet"], "dataset": "imagenet2012", "split": "validation"},
        **{"count": 50_000, "protocol": "crops144", "top1_error": 0.301, "top5_error": 0.1002},
    }
    rows = papers.beside(["googlenet"], "imagenet2012", 1000, "crops144")
    tables.evaluation(result, rows, None)
    said = capsys.readouterr().out
    for words in ("50,000", "30.10%", "10.02%", "7.89%", "Szegedy", "imagenet2012 val "):
        assert words in said
    tables.evaluation(result, [], rows[0]._replace(top1=20.0))
    assert "20.00% (Szegedy" in capsys.readouterr().out


def test_the_spread_is_that_of_a_sample():
    assert tables.spread([0.01, 0.03]) == "2.00% ± 1.41% (n=2)"
    assert tables.spread([0.01]) == "1.00%"
