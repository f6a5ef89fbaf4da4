"""Messages for work directories that are damaged or of an earlier version."""

import pytest

from cnn_history.errors import UserError
from cnn_history.files import record, workdir
from experiments import resnet_cifar10


def test_a_config_of_an_earlier_version_gets_the_defaults_of_newer_fields(tmp_path, capsys):
    recipe = resnet_cifar10.get_config()
    kept = workdir.config_json(recipe)
    del kept["evaluated"], kept["optimizer"]["momentum"]["decay"], kept["optimizer"]["kfac"]
    del kept["model"]["norm"]["group_norm"], kept["model"]["norm"]["batch_norm"]["epsilon"]
    kept["paper"] = {"model": "lenet5", "top1_error": 0.0095}  # a field that is no more
    record.write_json(tmp_path / workdir.CONFIG, kept)
    found = workdir.read_config(tmp_path)
    assert (found.evaluated, found.optimizer.momentum.decay) == ("newest", 0.9)
    said = capsys.readouterr().err
    assert "config.evaluated, " in said or "config.evaluated by" in said
    assert "config.optimizer.momentum.decay" in said
    assert "config.model.norm.batch_norm.epsilon" in said
    assert "kfac" not in said  # which was not chosen
    assert "group_norm" not in said
    workdir.check_same(recipe, tmp_path)

    recipe.optimizer.momentum.decay = 0.8
    with pytest.raises(UserError, match=r"config\.optimizer\.momentum\.decay=0\.9"):
        workdir.check_same(recipe, tmp_path)


def test_a_config_without_a_network_is_damaged(tmp_path):
    record.write_json(tmp_path / workdir.CONFIG, {"dataset": "digits"})
    with pytest.raises(UserError, match="names no network"):
        workdir.read_config(tmp_path)


def test_the_parts_of_a_run_say_what_each_was_made_with(tmp_path):
    """A run resumed without changes is one part; lost steps belong to the later part."""
    first, longer = ({"steps": n, "versions": {"jax": "1"}, "devices": "2 cpu"} for n in (10, 20))

    def resumed(step, now):
        made = workdir.parts(tmp_path, step, now)
        record.write_json(tmp_path / workdir.PARTS, made)
        return made

    assert resumed(0, first) == [{"from": 0, **first}]
    assert resumed(5, first) == [{"from": 0, **first}]
    assert resumed(10, longer) == [{"from": 0, **first}, {"from": 10, **longer}]
    newer = {**longer, "versions": {"jax": "2"}}
    assert resumed(10, newer) == [{"from": 0, **first}, {"from": 10, **newer}]
    assert resumed(0, longer) == [{"from": 0, **longer}]
    (tmp_path / workdir.PARTS).unlink()
    assert resumed(5, first) == [{"from": 0}, {"from": 5, **first}]  # of an earlier version
    (tmp_path / workdir.PARTS).write_text('[{"steps": 1}]')
    with pytest.raises(UserError, match=r"parts\.json' is damaged"):
        resumed(5, first)
