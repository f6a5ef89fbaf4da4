import jax
import numpy as np
from PIL import Image, ImageEnhance

from cnn_history.datasets import augment, statistics
from tests.datasets import files

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


def test_enhancements_are_those_of_the_library_that_the_paper_used():
    """To the library's rounding to grey levels, of the result and of the mean grey."""
    photo = files.photo(20, 30)
    image = photo.astype(np.float32) / 255
    theirs = {
        augment.contrast: ImageEnhance.Contrast,
        augment.brightness: ImageEnhance.Brightness,
        augment.saturation: ImageEnhance.Color,
    }
    for ours, enhance in theirs.items():
        for amount in (0.5, 0.8, 1.0, 1.5):
            wanted = np.asarray(enhance(Image.fromarray(photo)).enhance(amount))
            made = np.asarray(ours(image, amount)) * 255
            np.testing.assert_allclose(made, wanted, atol=1.6, err_msg=f"{ours} {amount}")


def test_photometric_is_all_orders_of_the_three_and_amounts_in_range():
    image = files.photo(6, 6).astype(np.float32) / 255
    draw = jax.jit(jax.vmap(lambda key: augment.photometric(key, image, (0.5, 1.5))))
    made = np.asarray(draw(jax.random.split(jax.random.key(0), 300)))
    assert made.min() >= 0
    assert made.max() <= 1
    means = made.mean((1, 2, 3)) / image.mean()
    assert 0.45 < means.min() < 0.6
    assert 1.2 < means.max() < 1.55
    same = np.asarray(augment.photometric(jax.random.key(1), image, (1.0, 1.0)))
    np.testing.assert_allclose(same, image, atol=1e-6)
    # One order of the three, by hand: the amounts are found again from the key, as they were drawn.
    order_key, amount_key = jax.random.split(jax.random.key(7))
    order = np.asarray(jax.random.permutation(order_key, 3))
    amounts = np.asarray(jax.random.uniform(amount_key, (3,), np.float32, 0.5, 1.5))
    wanted = image.astype(np.float64)
    for which in order:
        grey = wanted @ np.array([0.299, 0.587, 0.114])
        start = {0: grey.mean(), 1: 0.0, 2: grey[..., None]}[int(which)]
        wanted = np.clip(start + amounts[which] * (wanted - start), 0, 1)
    np.testing.assert_allclose(
        augment.photometric(jax.random.key(7), image, (0.5, 1.5)), wanted, atol=1e-5
    )


def test_pca_colour_shifts_all_pixels_alike_with_the_covariance_that_it_says():
    rng = np.random.default_rng(0)
    covariance = np.cov(rng.normal(size=(3, 50)) * [[1], [2], [3]]).astype(np.float32) / 9
    found = statistics.Statistics(np.zeros((2, 2, 3)), covariance, 1)
    image = rng.random((2, 2, 3)).astype(np.float32)
    made = augment.alexnet(lambda: found, 32, colour_std=0.1)
    keys = jax.random.split(jax.random.key(0), 20_000)
    shifts = np.asarray(jax.jit(jax.vmap(made.colour, (0, None)))(keys, image)) - image
    np.testing.assert_allclose(shifts, np.broadcast_to(shifts[:, :1, :1], shifts.shape), atol=1e-6)
    # Of p l a with a ~ N(0, 0.1^2): p (0.1 l)^2 p^T, which is (0.1 covariance)^2.
    wanted = 0.01 * covariance @ covariance
    np.testing.assert_allclose(np.cov(shifts[:, 0, 0].T), wanted, atol=0.03 * wanted.max())
    assert augment.alexnet(lambda: found, 32, colour_std=0.0).colour is augment.none
