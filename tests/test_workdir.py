"""What a work directory says of itself where it is not as expected."""

import pytest

from cnn_history.errors import UserError
from cnn_history.files import record, workdir
from experiments import lenet5_digits


def test_a_config_of_an_earlier_version_is_named(tmp_path):
    config = record.config_json(lenet5_digits.get_config())
    record.write_json(tmp_path / workdir.CONFIG, config)
    assert workdir.read_config(tmp_path).model.name == "lenet5"
    del config["evaluated"]
    record.write_json(tmp_path / workdir.CONFIG, config)
    with pytest.raises(UserError, match=r"earlier version, before config\.evaluated"):
        workdir.read_config(tmp_path)
