import numpy as np
import pytest

from cnn_history.datasets import preprocessing

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3)).astype(np.uint8)


def test_pad_and_crop_are_centred():
    padded = np.asarray(preprocessing.pad(IMAGES, 10))
    np.testing.assert_array_equal(padded[:, 2:8, 1:9], IMAGES)
    assert padded.sum() == IMAGES.sum()
    np.testing.assert_array_equal(preprocessing.crop(IMAGES, 4), IMAGES[:, 1:5, 2:6])


def test_resize_keeps_a_constant_and_gives_the_size():
    resized = preprocessing.resize(np.full((1, 8, 8, 1), 0.25, np.float32), 32)
    assert resized.shape == (1, 32, 32, 1)
    np.testing.assert_allclose(resized, 0.25, rtol=1e-6)


def test_sizes_that_cannot_work_say_what_does():
    with pytest.raises(ValueError, match="crop or resize"):
        preprocessing.pad(IMAGES, 7)
    with pytest.raises(ValueError, match="pad or resize"):
        preprocessing.crop(IMAGES, 7)


def test_resize_crop_is_that_of_torchvision():
    """The shorter side to 256, antialiased, and the middle 224 of both, against torch."""
    torch = pytest.importorskip("torch", reason="needs the extra torch")
    x = np.random.default_rng(0).uniform(size=(1, 500, 375, 3)).astype(np.float32)
    resized = torch.nn.functional.interpolate(
        torch.tensor(x.transpose(0, 3, 1, 2)), size=(341, 256), mode="bilinear", antialias=True
    )
    expected = resized.numpy().transpose(0, 2, 3, 1)[:, 58:282, 16:240]
    np.testing.assert_allclose(preprocessing.resize_crop(x, 224), expected, atol=1e-4)
