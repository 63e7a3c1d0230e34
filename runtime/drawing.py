"""Pictures beside each other, and a legend of class colours."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.spec import ClassInfo

Pixels = NDArray[np.uint8]

GAP = 6  # pixels between pictures
PAPER = 250
INK = (40, 40, 40)
ROW = 26  # height of a legend's line
SWATCH = 16


def grid(pictures: Sequence[Pixels], columns: int) -> Pixels:
    """Return pictures (H, W, 3) in rows of `columns` on paper; cells have the largest's size."""
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    sheet = np.full(
        (GAP + rows * (height + GAP), GAP + columns * (width + GAP), 3), PAPER, np.uint8
    )
    for index, picture in enumerate(pictures):
        y = GAP + index // columns * (height + GAP)
        x = GAP + index % columns * (width + GAP)
        sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return sheet


def legend(classes: Sequence[ClassInfo], width: int) -> Pixels:
    """Return the classes' colours and names (BGR), in as many lines as `width` needs."""
    places: list[tuple[int, int, ClassInfo]] = []
    x, y = GAP, 0
    for info in classes:
        (text, _), _ = cv2.getTextSize(info.name, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
        taken = SWATCH + 6 + text + 18
        if x + taken > width and x > GAP:
            x, y = GAP, y + ROW
        places.append((x, y, info))
        x += taken
    picture = np.full((y + ROW + GAP, width, 3), PAPER, np.uint8)
    for left, top, info in places:
        _entry(picture, left, top + (ROW - SWATCH) // 2, info)
    return picture


def _entry(picture: Pixels, x: int, y: int, info: ClassInfo) -> None:
    corner = (x + SWATCH, y + SWATCH)
    cv2.rectangle(picture, (x, y), corner, info.color[::-1], cv2.FILLED)
    cv2.rectangle(picture, (x, y), corner, INK, 1)
    place = (x + SWATCH + 6, y + SWATCH - 3)
    cv2.putText(
        picture, info.name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, lineType=cv2.LINE_AA
    )


def stack(pictures: Sequence[Pixels]) -> Pixels:
    """Return pictures of one width below each other."""
    return np.concatenate(pictures, axis=0)
