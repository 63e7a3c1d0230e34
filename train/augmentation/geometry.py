"""Where a crop's pixels come from: one affine map, and an elastic one on top of it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.spec import IGNORE

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

GRAY = 127  # what lies outside of an image: zero after normalisation
ELASTIC = 0.025  # of the crop's shorter side: the spread of shifts at strength 1
KNOTS = 6  # of shifts, along each side
COARSE = 16  # pixels of a crop to one of source_heights


def turned(warp: NDArray[np.float64], crop: tuple[int, int], degrees: float) -> NDArray[np.float64]:
    """Return a map (2, 3) from a crop's pixels to the source's, turned around the crop's centre."""
    centre = (crop[0] - 1) / 2, (crop[1] - 1) / 2
    turn = np.vstack([cv2.getRotationMatrix2D(centre, degrees, 1.0), [0.0, 0.0, 1.0]])
    return np.asarray(warp @ turn, np.float64)


def bend(
    warp: NDArray[np.float64], crop: tuple[int, int], strength: float, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw an elastic map: the source's x and y of each of the crop's pixels, (height, width) each.

    Random shifts on a coarse grid, cubic in between (as U-Net's, Ronneberger et al., 2015).
    """
    spread = strength * ELASTIC * min(crop)
    shifts = spread * random.standard_normal((KNOTS, KNOTS, 2), np.float32)
    moved = np.asarray(cv2.resize(shifts, crop, interpolation=cv2.INTER_CUBIC), np.float32)
    x, y = (np.arange(side, dtype=np.float32) for side in crop)
    moved += np.stack(np.broadcast_arrays(x, y[:, None]), 2)
    places = cv2.transform(moved, warp.astype(np.float32))
    return np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])


def move(
    image: Pixels,
    mask: Pixels,
    warp: NDArray[np.float64],
    crop: tuple[int, int],
    bent: tuple[Floats, Floats] | None,
) -> tuple[Pixels, Pixels]:
    """Return a crop of an image and, by nearest neighbour, of its mask; outside: GRAY, IGNORE."""

    def taken(pixels: Pixels, how: int, outside: tuple[int, ...]) -> Pixels:
        border: dict[str, Any] = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": outside}
        if bent:
            return np.asarray(cv2.remap(pixels, *bent, how, **border), np.uint8)
        flags = how | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(pixels, warp, crop, flags=flags, **border), np.uint8)

    return (
        taken(image, cv2.INTER_LINEAR, (GRAY, GRAY, GRAY)),
        taken(mask, cv2.INTER_NEAREST, (IGNORE,)),
    )


def source_heights(warp: NDArray[np.float64], crop: tuple[int, int], height: int) -> Floats:
    """Return how far down in the source a crop's places lie, 0 to 1, at 1 / COARSE of its size."""
    x, y = (np.arange(0.5, side / COARSE, dtype=np.float32) * COARSE for side in crop)
    return np.asarray((warp[1, 0] * x + warp[1, 1] * y[:, None] + warp[1, 2]) / height, np.float32)
