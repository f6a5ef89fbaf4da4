"""The contact sheet's numbers, against the papers' geometry computed by hand."""

import pytest

from cnn_history.studies import augmentation
from tests.studies import smoke


def test_shares_of_the_photo_by_hand():
    found = {row["augmentation"]: row for row in smoke.findings("augmentation").rows}
    assert list(found) == ["alexnet", "zfnet", "vgg", "googlenet", "inception", "resnet"]
    h, w = 427, 640
    at_256 = 224**2 / (256 * (w * 256 // h))  # of the image scaled to a shorter side of 256
    for name in ("alexnet", "zfnet"):
        assert found[name]["area_seen"] == pytest.approx(at_256)
    for name, largest in (("vgg", 512), ("resnet", 480)):
        assert 224**2 / (largest * (w * largest // h)) <= found[name]["area_smallest"]
        assert found[name]["area_largest"] <= at_256
    assert found["googlenet"]["area_smallest"] >= 0.079
    assert found["googlenet"]["width_to_height_largest"] <= 4 / 3 + 0.02
    assert found["zfnet"]["grey_levels_moved_sd"] == 0
    moved = [found[name]["grey_levels_moved_sd"] for name in ("alexnet", "inception", "googlenet")]
    assert 0 < moved[0] < moved[1] < moved[2]


def test_the_picture_shows_the_same_draws_as_the_loader():
    made = augmentation.augment.zfnet(augmentation.SIZE)
    shown = augmentation.examples(made, 2)
    draws = augmentation.crops.draws(0, 0, 1)
    file = augmentation.photo("china.jpg")
    pixels = augmentation.crops.decode(file, 3, made.crop, draws, augmentation.SIZE)
    assert (shown[1] * 255).round().astype("uint8").tobytes() == pixels.tobytes()
