from __future__ import annotations

import numpy as np
import pytest

from roadseg.train.augmentation import GRAY, Augmentation

PLAIN = {"flip": 0.0, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
SIZE = (96, 64)


def picture() -> tuple[np.ndarray, np.ndarray]:
    """Smooth ramps, so that a mask made from the image's values moves with them."""
    y, x = np.mgrid[:64, :96]
    image = np.stack([2 * x + 20, 2 * y + 20, x + y], 2).astype(np.uint8)
    return image, image[..., 0].copy()


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_mask_and_image_move_together(flip: float, seed: int) -> None:
    change = Augmentation(64, 64, (0.7, 2.0), **{**PLAIN, "flip": flip})
    image, mask = change.apply(*picture(), SIZE, random(seed))
    assert image.shape == (64, 64, 3)
    inside = mask != 255
    assert inside.mean() > 0.4
    # The nearest label is at most half a pixel from the interpolated colour; its border blends.
    inner = inside & np.roll(inside, 1, 0) & np.roll(inside, 1, 1)
    inner &= np.roll(inside, -1, 0) & np.roll(inside, -1, 1)
    assert np.abs(image[..., 0].astype(int) - mask)[inner].max() <= 2


def test_without_change_the_picture_stays() -> None:
    image, mask = picture()
    same = Augmentation(96, 64, (1.0, 1.0), **PLAIN).apply(image, mask, SIZE, random())
    np.testing.assert_array_equal(same[0], image)
    np.testing.assert_array_equal(same[1], mask)


def test_flip_mirrors_both() -> None:
    image, mask = picture()
    change = Augmentation(96, 64, (1.0, 1.0), **{**PLAIN, "flip": 1.0})
    flipped = change.apply(image, mask, SIZE, random())
    np.testing.assert_array_equal(flipped[0], image[:, ::-1])
    np.testing.assert_array_equal(flipped[1], mask[:, ::-1])


def test_outside_is_gray_and_void() -> None:
    image, mask = Augmentation(96, 64, (0.5, 0.5), **PLAIN).apply(*picture(), SIZE, random())
    outside = mask == 255
    assert 0.7 < outside.mean() < 0.8
    assert (image[outside] == GRAY).mean() > 0.95


def test_aspect_stretches_either_way_and_keeps_the_area() -> None:
    change = Augmentation(96, 64, (1.0, 1.0), aspect=1.5)
    warps = [change.warp(SIZE, SIZE, random(seed)) for seed in range(50)]
    steps = np.abs([(warp[0, 0], warp[1, 1]) for warp in warps])
    np.testing.assert_allclose(steps.prod(1), 1)
    stretch = steps[:, 1] / steps[:, 0]
    assert 1 / 1.5 <= stretch.min() < 0.8 and 1.25 < stretch.max() <= 1.5


def test_scale_is_relative_to_the_size_asked_for() -> None:
    image, mask = Augmentation(48, 32, (1.0, 1.0), **PLAIN).apply(*picture(), (48, 32), random())
    assert (mask != 255).all()
    assert abs(int(image[0, -1, 0]) - int(picture()[0][0, -1, 0])) <= 4


def test_color_changes_the_image_alone() -> None:
    image, mask = picture()
    colored = Augmentation(96, 64, (1.0, 1.0), flip=0.0).apply(image, mask, SIZE, random())
    assert (colored[0] != image).mean() > 0.5
    np.testing.assert_array_equal(colored[1], mask)


def test_gray_keeps_its_hue() -> None:
    matrix = Augmentation(8, 8, brightness=0, contrast=0).color(random(3))
    np.testing.assert_allclose(matrix @ [90, 90, 90, 1], 90, atol=0.2)
