from __future__ import annotations

import numpy as np
import pytest

from roadseg.train.augmentation import GRAY, WEATHER, Augmentation, cut_mix

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


STRONG = {"elastic": 1.0, "weather": 1.0, "blur": 1.0, "noise": 1.0, "jpeg": 1.0}
ALWAYS = {"chance": 1.0, "least": 1.0}
STILL = {**PLAIN, **ALWAYS}


@pytest.mark.parametrize("change", [{"rotation": 20.0}, {"elastic": 1.0}])
@pytest.mark.parametrize("seed", range(4))
def test_mask_moves_with_turned_and_bent_images(change: dict[str, float], seed: int) -> None:
    image, mask = picture()
    moved = Augmentation(96, 64, (1.0, 1.0), **STILL, **change).apply(
        image, mask, SIZE, random(seed)
    )
    assert (moved[1] != mask).mean() > 0.3
    inside = moved[1] != 255
    assert inside.mean() > 0.6
    inner = inside.copy()
    for axis in (0, 1):
        inner &= np.roll(inside, 1, axis) & np.roll(inside, -1, axis)
    inner[[0, -1]] = inner[:, [0, -1]] = False
    assert np.abs(moved[0][..., 0].astype(int) - moved[1])[inner].max() <= 3


def test_labels_stay_what_they_are_when_a_picture_is_bent() -> None:
    """Nearest neighbour: no class comes up between two others."""
    image, _ = picture()
    mask = np.zeros((64, 96), np.uint8)
    mask[:, 48:] = 9
    change = Augmentation(96, 64, (0.8, 1.5), rotation=30.0, **ALWAYS, **STRONG)
    for seed in range(5):
        assert set(np.unique(change.apply(image, mask, SIZE, random(seed))[1])) <= {0, 9, 255}


def test_rotation_turns_around_the_middle_either_way() -> None:
    change = Augmentation(97, 65, (1.0, 1.0), rotation=30.0, **PLAIN)
    warps = [change.warp((97, 65), (97, 65), random(seed)) for seed in range(60)]
    angles = [np.rad2deg(np.arctan2(warp[1, 0], warp[0, 0])) for warp in warps]
    assert -30 <= min(angles) < -20 and 20 < max(angles) <= 30
    for warp in warps:
        np.testing.assert_allclose(warp @ [48, 32, 1], [48, 32], atol=1e-6)


@pytest.mark.parametrize("name", ["weather", "blur", "noise", "jpeg"])
def test_the_camera_and_weather_change_the_image_alone_and_grow(name: str) -> None:
    image, mask = picture()
    image[::7] //= 3  # edges, for blur and JPEG
    apart = []
    for strength in (0.1, 0.5, 1.0):
        change = Augmentation(96, 64, (1.0, 1.0), **STILL, **{name: strength})
        changed = change.apply(image, mask, SIZE, random(2))
        np.testing.assert_array_equal(changed[1], mask)
        assert changed[0].shape == image.shape and changed[0].dtype == np.uint8
        apart.append(np.abs(changed[0].astype(int) - image).mean())
    assert 0 < apart[0] < apart[1] < apart[2]


@pytest.mark.parametrize("kind", list(WEATHER))
def test_each_weather_looks_as_its_name_says(kind: str) -> None:
    image, mask = picture()
    change = Augmentation(96, 64, (1.0, 1.0), **STILL, weather=1.0, weathers=(kind,))
    seen = change.apply(image, mask, SIZE, random(3))[0].astype(float)
    light = seen.mean() - image.mean()
    assert light < -25 if kind == "night" else light > 5
    spread = [pixels[:24].std((0, 1)).mean() for pixels in (image.astype(float), seen)]
    if kind == "fog":  # what is far away is hardly seen, what is near better
        assert spread[1] < 0.25 * spread[0]
        assert seen[-16:].std((0, 1)).mean() > 2 * spread[1]


def test_what_is_off_draws_nothing() -> None:
    """So a run without the newer changes sees the images that it always saw."""
    image, mask = picture()
    plain = Augmentation(96, 64).apply(image, mask, SIZE, random(5))
    generator = random(5)
    Augmentation(96, 64).apply(image, mask, SIZE, generator)
    after = generator.random()
    never = Augmentation(96, 64, **STRONG, chance=0.0).apply(image, mask, SIZE, random(5))
    np.testing.assert_array_equal(plain[0], never[0])
    draws = random(5)
    draws.random(8)  # scale, two offsets, flip, four of colour
    assert draws.random() == after


def test_a_third_of_the_images_get_a_change() -> None:
    image, mask = picture()
    change = Augmentation(96, 64, (1.0, 1.0), **PLAIN, noise=1.0)
    seen = [change.apply(image, mask, SIZE, random(seed))[0] for seed in range(200)]
    assert 0.23 < np.mean([not np.array_equal(each, image) for each in seen]) < 0.44


def test_the_same_seed_gives_the_same_pixels() -> None:
    image, mask = picture()
    change = Augmentation(64, 64, rotation=9.0, **ALWAYS, **STRONG)
    one, other = (change.apply(image, mask, SIZE, random(7)) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    assert not np.array_equal(one[0], change.apply(image, mask, SIZE, random(8))[0])


def test_cut_mix_takes_a_rectangle_and_its_labels_from_another() -> None:
    pair, other = (
        (np.full((40, 60, 3), n, np.uint8), np.full((40, 60), n, np.uint8)) for n in range(2)
    )
    for seed in range(20):
        image, mask = cut_mix(pair, other, random(seed))
        np.testing.assert_array_equal(image[..., 0], mask)
        taken = mask == 1
        assert 0.08 < taken.mean() < 0.52
        rows, columns = taken.any(1), taken.any(0)
        np.testing.assert_array_equal(taken, rows[:, None] & columns[None])
    assert not pair[0].any() and not pair[1].any()
