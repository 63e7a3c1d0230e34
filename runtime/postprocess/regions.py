"""Regions: the connected parts of a binary picture, and holes in them, that are small."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import UsageError

Box = tuple[slice, slice]
Inside = NDArray[np.uint8]


def small_regions(
    picture: NDArray[np.uint8], pixels: int, holes: bool = False
) -> Iterator[tuple[Box, Inside]]:
    """Give regions of picture (H, W) uint8 that, with all that they enclose, are below `pixels`.

    A region is connected by sides or corners. With `holes` holes in regions are given instead.
    As a box, a pixel wider on each side where there is room, and 1 in it where the region is.
    Borders are followed as in Suzuki and Abe (1985), by OpenCV: a tenth of what labels cost.
    """
    borders, tree = cv2.findContours(picture, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    most = 2 * pixels + 4 if holes else pixels  # a hole's border runs through the pixels around it
    for number, border in enumerate(np.asarray(one, np.int32) for one in borders):
        is_hole = bool(tree[0, number, 3] >= 0)  # it has a parent
        if is_hole is holes and cv2.contourArea(border) < most:
            box, inside = _filled(border, picture.shape, is_hole)
            if cv2.countNonZero(inside) < pixels:
                yield box, inside


def _filled(border: NDArray[np.int32], shape: tuple[int, ...], is_hole: bool) -> tuple[Box, Inside]:
    x, y, width, height = cv2.boundingRect(border)
    left, top = max(0, x - 1), max(0, y - 1)
    box = np.s_[top : min(y + height + 1, shape[0]), left : min(x + width + 1, shape[1])]
    inside = np.zeros((box[0].stop - top, box[1].stop - left), np.uint8)
    cv2.drawContours(inside, [border], 0, 1, cv2.FILLED, offset=(-left, -top))
    if is_hole:
        cv2.drawContours(inside, [border], 0, 0, 1, offset=(-left, -top))
    return box, inside


def pixels_named(stage: str, value: float) -> int:
    """Return a stage's number of pixels; raises UsageError when it is none."""
    if not 1 <= value < 2**31 or value != int(value):
        raise UsageError(f"{stage}:{value:g}: a whole number of pixels is needed, 1 or more")
    return int(value)
