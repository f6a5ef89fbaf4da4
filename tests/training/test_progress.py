import time

from cnn_history.training import progress


def test_the_time_left_is_that_of_the_batches_after_the_first(monkeypatch):
    """Compilation takes 100 s, then each of ten batches of 5 takes 6 s."""
    clock, lines = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def function(batch):
        clock[0] += 6.0 if clock[0] else 100.0
        return -batch

    timed = progress.estimating(function, lambda batch: 5, 50, lines.append)
    assert [timed(batch) for batch in range(10)] == [-batch for batch in range(10)]
    # Two timed batches have taken more than 10 s when the fourth begins: seven are left.
    assert lines == ["about 0:42 left"]
