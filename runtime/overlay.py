"""Overlay: a mask's colours over a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime import _native
from roadseg.runtime.arrays import check_array, check_contiguous, check_writable


def overlay(
    pixels: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    palette: NDArray[np.uint8],
    alpha: float,
    out: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Fill `out` with the picture, the colour of each pixel's class blended over it; return it.

    pixels, out: (H, W, 3) uint8, rows may be padded; they may be the same array.
    mask: (H, W) uint8, rows may be padded; where it is 255 the pixel stays as it is.
    palette: (256, 3) uint8, in the pixels' channel order.
    alpha: 0 (the picture) to 1 (the colours), in steps of 1 / 256.
    Raises ValueError when a shape, dtype or stride does not fit, or alpha is out of range.
    """
    check_array(pixels, "pixels", ("H", "W", 3))
    check_array(mask, "mask", pixels.shape[:2])
    check_array(palette, "palette", (256, 3))
    check_contiguous(palette, "palette")
    check_array(out, "overlay's out", pixels.shape)
    check_writable(out, "overlay's out")
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"alpha: 0 to 1 is needed, not {alpha}")
    _native.overlay(pixels, mask, palette, alpha, out)
    return out
