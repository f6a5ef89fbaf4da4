import jax
import numpy as np

from cnn_history.datasets import augment

IMAGE = np.arange(1, 8 * 8 + 1, dtype=np.float32).reshape(8, 8, 1)


def test_pad_crop_flip_makes_every_shift_and_mirror_and_nothing_else():
    padded = np.pad(IMAGE, ((4, 4), (4, 4), (0, 0)))
    crops = [padded[y : y + 8, x : x + 8] for y in range(9) for x in range(9)]
    wanted = {crop.tobytes() for crop in crops} | {crop[:, ::-1].tobytes() for crop in crops}
    keys = jax.random.split(jax.random.key(0), 3000)
    made = np.asarray(jax.vmap(augment.pad_crop_flip, (0, None))(keys, IMAGE))
    found = [image.tobytes() for image in made]
    assert set(found) <= wanted
    assert len(set(found)) > 0.99 * len(wanted)  # 162 kinds: 3,000 draws miss one in 100 million
    mirrored = sum(f in {c[:, ::-1].tobytes() for c in crops} for f in found) / len(found)
    assert 0.45 < mirrored < 0.55


def test_translate_repeats_the_edge():
    padded = np.pad(IMAGE, ((4, 4), (4, 4), (0, 0)), "edge")
    wanted = {padded[y : y + 8, x : x + 8].tobytes() for y in range(9) for x in range(9)}
    keys = jax.random.split(jax.random.key(0), 1500)
    made = np.asarray(jax.vmap(augment.translate, (0, None))(keys, IMAGE))
    assert {image.tobytes() for image in made} == wanted


def test_what_an_example_becomes_depends_on_epoch_and_example_alone():
    images = np.random.default_rng(0).random((6, 8, 8, 1)).astype(np.float32)
    ids, epochs = np.array([4, 9, 2, 7, 9, 1]), np.array([0, 0, 0, 1, 1, 1])
    key = jax.random.key(5)

    def made(chosen):
        return np.asarray(
            augment.batch(augment.pad_crop_flip, key, images[chosen], ids[chosen], epochs[chosen])
        )

    whole = made(np.arange(6))
    np.testing.assert_array_equal(made(np.array([5, 0, 3])), whole[[5, 0, 3]])
    images[:] = images[0]
    first, _, _, _, again, _ = made(np.array([1, 0, 2, 3, 4, 5]))
    assert not np.array_equal(first, again)  # example 9, in epoch 0 and in epoch 1
    assert len({image.tobytes() for image in made(np.arange(6))}) > 3
