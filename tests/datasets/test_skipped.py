"""Messages about images that cannot be decoded."""

import concurrent.futures
import time

from cnn_history.datasets import skipped


def test_each_gets_a_line_of_its_own_whoever_finds_it():
    """Eight threads, each image found twice; `print` writes a line and its end one by one."""
    written = []

    def slow_print(line):
        written.append(line)
        time.sleep(0.002)
        written.append("\n")

    skip = skipped.Skipped(16, slow_print)
    names = [f"train/ant/{i}.JPEG" for i in range(16)]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: skip(name, "no image"), names * 2))
    lines = "".join(written).splitlines()
    assert sorted(lines) == sorted(f"skipped: {name}: no image" for name in names)
    assert len(skip) == 16
