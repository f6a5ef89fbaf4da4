import functools

import jax
import numpy as np

from cnn_history.datasets import augment, crops, prepare

UNIT = prepare.Preprocessing(8, "resize", np.float32(0), np.float32(1))


def test_what_an_example_becomes_depends_on_epoch_and_example_alone():
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1)).astype(np.uint8)
    ids, epochs = np.array([4, 9, 2, 7, 9, 1]), np.array([0, 0, 0, 1, 1, 1])
    keys = prepare.Keys(*jax.random.split(jax.random.key(5), 3))
    way = prepare.Images(UNIT, augment.Augmentation(shift=augment.pad_crop_flip))
    prepared = jax.jit(functools.partial(way.training, keys))

    def made(chosen):
        return np.asarray(prepared(images[chosen], ids[chosen], epochs[chosen]))

    whole = made(np.arange(6))
    np.testing.assert_array_equal(made(np.array([5, 0, 3])), whole[[5, 0, 3]])
    images[:] = images[0]
    first, _, _, _, again, _ = made(np.array([1, 0, 2, 3, 4, 5]))
    assert not np.array_equal(first, again)  # example 9, in epoch 0 and in epoch 1
    assert len({image.tobytes() for image in made(np.arange(6))}) > 3


def test_the_way_of_a_training_image_is_crop_colour_scaling_shift_each_by_its_own_key():
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (10, 12, 3)).astype(np.uint8)
    scaling = prepare.Preprocessing(8, "resize", rng.random((8, 8, 3)).astype(np.float32), 0.5)
    places = augment.Augmentation(
        crop=lambda draws, h, w, size: crops.Crop(1, 2, size, size, draws[0] < 2),
        colour=lambda key, image: image + jax.random.uniform(key),
        shift=augment.pad_crop_flip,
    )
    keys = prepare.Keys(*jax.random.split(jax.random.key(5), 3))
    made = prepare.training_image(keys, image, scaling, places)
    wanted = image[1:9, 2:10][:, ::-1] / 255 + jax.random.uniform(keys.colour)
    wanted = augment.pad_crop_flip(keys.shift, (wanted - scaling.mean) / 0.5)
    np.testing.assert_allclose(made, wanted, atol=1e-5)
    # Where a loader has cut already, nothing is left of that.
    cut = image[1:9, 2:10][:, ::-1]
    after = prepare.training_image(keys, cut, *prepare.Images(scaling, places).after_a_loader())
    np.testing.assert_allclose(after, wanted, atol=1e-5)
    # In tests neither colour nor shift; of one image and of several.
    np.testing.assert_allclose(scaling(cut), (cut / 255 - scaling.mean) / 0.5, atol=1e-5)
    np.testing.assert_allclose(scaling(image), scaling(image[None])[0], atol=1e-6)
