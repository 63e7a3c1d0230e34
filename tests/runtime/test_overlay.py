"""overlay against a float64 reference, for every instruction set."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from roadseg.runtime import _native
from roadseg.runtime.overlay import overlay

Bytes = NDArray[np.uint8]
RANDOM = np.random.default_rng(11)
PALETTE: Bytes = RANDOM.integers(0, 256, (256, 3), np.uint8)

pytestmark = pytest.mark.usefixtures("isa")


def picture(width: int, height: int) -> tuple[Bytes, Bytes]:
    pixels = RANDOM.integers(0, 256, (height, width, 3), np.uint8)
    mask = RANDOM.choice(np.array([0, 1, 10, 254, 255], np.uint8), (height, width))
    return pixels, mask


def reference(pixels: Bytes, mask: Bytes, alpha: float) -> NDArray[np.float64]:
    mixed = pixels * (1 - alpha) + PALETTE[mask] * alpha
    return np.where(mask[..., None] == 255, pixels, mixed)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("size", [(64, 3), (101, 33), (1, 1), (63, 5), (65, 2), (640, 12)])
def test_matches_the_float64_reference(size: tuple[int, int], alpha: float) -> None:
    pixels, mask = picture(*size)
    out = np.zeros_like(pixels)
    assert overlay(pixels, mask, PALETTE, alpha, out) is out
    # Half a level of rounding, and alpha in steps of 1 / 256.
    assert np.abs(out - reference(pixels, mask, alpha)).max() <= 0.5 + 255 * 0.5 / 256
    np.testing.assert_array_equal(out[mask == 255], pixels[mask == 255])


@pytest.mark.parametrize(("alpha", "shown"), [(0.0, "pixels"), (1.0, "colours")])
def test_the_ends_of_alpha_are_exact(alpha: float, shown: str) -> None:
    pixels, mask = picture(90, 40)
    mask[mask == 255] = 7
    out = overlay(pixels, mask, PALETTE, alpha, np.empty_like(pixels))
    np.testing.assert_array_equal(out, pixels if shown == "pixels" else PALETTE[mask])


def test_may_be_done_in_place() -> None:
    pixels, mask = picture(131, 20)
    expected = overlay(pixels, mask, PALETTE, 0.4, np.empty_like(pixels))
    overlay(pixels, mask, PALETTE, 0.4, pixels)
    np.testing.assert_array_equal(pixels, expected)


def test_rows_may_be_padded_and_nothing_outside_is_written() -> None:
    pixels, mask = picture(100, 21)
    room = np.full_like(pixels, 99)
    overlay(pixels[:20, :77], mask[:20, :77], PALETTE, 0.5, room[:20, :77])
    whole = overlay(pixels, mask, PALETTE, 0.5, np.empty_like(pixels))
    np.testing.assert_array_equal(room[:20, :77], whole[:20, :77])
    assert (room[20] == 99).all() and (room[:, 77:] == 99).all()


def test_instruction_sets_agree_in_every_bit() -> None:
    pixels, mask = picture(333, 40)
    outs = []
    for name in _native.isas():
        _native.use_isa(name)
        outs.append(overlay(pixels, mask, PALETTE, 0.37, np.empty_like(pixels)))
    for one in outs:
        np.testing.assert_array_equal(one, outs[0])


def test_allocates_nothing_of_the_size_of_an_image() -> None:
    pixels, mask = picture(320, 240)
    out = np.empty_like(pixels)
    tracemalloc.start()
    try:
        overlay(pixels, mask, PALETTE, 0.5, out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16_000


PIXELS, MASK = np.zeros((6, 8, 3), np.uint8), np.zeros((6, 8), np.uint8)


@pytest.mark.parametrize(
    ("pixels", "mask", "palette", "alpha", "out", "message"),
    [
        (MASK, MASK, PALETTE, 0.5, PIXELS, r"pixels: uint8 \(H, W, 3\) is needed"),
        (PIXELS, MASK[:3], PALETTE, 0.5, PIXELS, r"mask: uint8 \(6, 8\) is needed"),
        (PIXELS, MASK.astype(np.int32), PALETTE, 0.5, PIXELS, "mask: .* not int32"),
        (PIXELS, MASK, PALETTE[:11], 0.5, PIXELS, r"palette: uint8 \(256, 3\) is needed"),
        (PIXELS, MASK, PALETTE[:, ::-1], 0.5, PIXELS, "palette: pixels of a row"),
        (PIXELS, MASK, PALETTE[::-1], 0.5, PIXELS, "palette must be contiguous"),
        (PIXELS, MASK, PALETTE, 0.5, PIXELS[:5], r"out: uint8 \(6, 8, 3\) is needed"),
        (PIXELS, MASK, PALETTE, 1.5, PIXELS, "alpha: 0 to 1 is needed, not 1.5"),
        (PIXELS, MASK, PALETTE, float("nan"), PIXELS, "alpha: 0 to 1 is needed, not nan"),
    ],
)
def test_refuses(
    pixels: Bytes, mask: Bytes, palette: Bytes, alpha: float, out: Bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        overlay(pixels, mask, palette, alpha, out)
    assert "\n" not in str(refusal.value)
