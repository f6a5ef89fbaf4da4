import jax
import numpy as np

from cnn_history.datasets.order import Order


def test_each_example_once_an_epoch_and_another_order_in_each():
    order = Order(jax.random.key(0), 10)
    examples, epochs = order(0, 30)
    assert epochs.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    parts = examples.reshape(3, 10)
    for part in parts:
        assert sorted(part) == list(range(10))
    assert len({tuple(part) for part in parts}) == 3


def test_the_order_is_the_permutation_of_key_and_epoch():
    key = jax.random.key(3)
    examples, _ = Order(key, 7)(7, 14)
    wanted = jax.random.permutation(jax.random.fold_in(key, 1), 7)
    np.testing.assert_array_equal(examples, wanted)


def test_any_cut_of_the_positions_gives_the_same_examples():
    whole, _ = Order(jax.random.key(1), 9)(0, 40)
    order = Order(jax.random.key(1), 9)
    for start in range(40):
        for stop in (start + 1, min(start + 5, 40), 40):
            np.testing.assert_array_equal(order(start, stop)[0], whole[start:stop])
