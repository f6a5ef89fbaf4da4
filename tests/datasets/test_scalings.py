import numpy as np

from cnn_history.datasets import prepare, scalings, statistics

IMAGES = np.random.default_rng(1).integers(0, 256, (250, 4, 4, 3)).astype(np.uint8)
FOUND = statistics.of((IMAGES[:100], IMAGES[100:]), 4, "pad")


def scaled(name, measured, size):
    return prepare.Preprocessing(size, "pad", *scalings.SCALINGS[name](measured))


def test_black_and_white():
    images = np.zeros((1, 2, 2, 1), np.uint8)
    images[0, 0, 1] = 255
    ends = {"unit": [0, 1], "symmetric": [-1, 1], "lenet_1998": [-0.1, 1.175]}
    for name, wanted in ends.items():
        prepared = scaled(name, None, 2)(images)
        np.testing.assert_allclose(prepared[0, 0, :, 0], wanted, rtol=1e-5)


def test_means_are_subtracted_and_grey_levels_are_grey_levels():
    pixel, channel = IMAGES.mean(0), IMAGES.mean((0, 1, 2))
    wanted = {
        "per_pixel_mean": (IMAGES - pixel) / 255,
        "per_pixel_mean_255": IMAGES - pixel,
        "per_channel_mean": (IMAGES - channel) / 255,
        "per_channel_mean_255": IMAGES - channel,
    }
    for name, values in wanted.items():
        prepared = scaled(name, lambda: FOUND, 4)(IMAGES)
        np.testing.assert_allclose(prepared, values, rtol=1e-5, atol=2e-4)


def test_principal_components_are_those_of_numpy():
    """Up to sign; smooth colours, whose channels go together, as in photos."""
    rng = np.random.default_rng(2)
    light = rng.integers(20, 200, (60, 8, 8, 1))
    images = np.clip(light + rng.integers(-20, 20, (60, 8, 8, 3)) * [1, 2, 0.5], 0, 255)
    images = images.astype(np.uint8)
    found = statistics.of([images[:7], images[7:]], 8, "pad")
    pixels = images.reshape(-1, 3) / 255
    np.testing.assert_allclose(found.covariance, np.cov(pixels.T, bias=True), atol=1e-6)
    values, vectors = np.linalg.eigh(np.cov(pixels.T, bias=True))
    for made, value, vector in zip(
        found.principal_components.T, values[::-1], vectors.T[::-1], strict=True
    ):
        made = made * np.sign(made @ vector)
        np.testing.assert_allclose(made, value * vector, atol=2e-6)
    assert found.examples == 60
