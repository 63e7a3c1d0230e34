"""Shapes drawn as pycocotools draws them, equal pixel by pixel: polygons and run lengths.

The algorithms are those of maskApi.c of the COCO API (Lin et al., ECCV 2014), rleFrPoly and
rleFrString.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import DataError

SCALE = 5  # the outline is walked at so many steps a pixel
FARTHEST = 100_000  # pixels from the image's corner: beyond it is a mistake, and a long walk


@dataclass(frozen=True)
class PolygonShape:
    """The union of some outlines; an outline that crosses itself is filled by parity.

    rings: each (N, 2) float64, x and y in pixels, whole numbers at the corner of a pixel.
    """

    rings: tuple[NDArray[np.float64], ...]

    def __post_init__(self) -> None:
        """Check the rings."""
        for ring in self.rings:
            if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3:
                raise DataError(f"a polygon of {ring.size // 2} points")
            if not np.isfinite(ring).all():
                raise DataError("a polygon with a point that is no number")
            if np.abs(ring).max() > FARTHEST:
                raise DataError(f"a polygon with a point more than {FARTHEST} pixels away")

    def raster(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return its pixels, (height, width) bool; what is outside is cut off."""
        mask = np.zeros((height, width), bool)
        for ring in self.rings:
            mask |= fill_polygon(ring, width, height)
        return mask

    def bounds(self) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom of its points."""
        points = np.concatenate(self.rings)
        (left, top), (right, bottom) = points.min(0), points.max(0)
        return float(left), float(top), float(right), float(bottom)


@dataclass(frozen=True)
class RunsShape:
    """Pixels as run lengths, first of those outside, in a box of the image.

    counts: run lengths.
    left, top, width, height: of the box; the image's own with COCO.
    by_column: whether runs go down the columns (COCO) or along the rows (CVAT).
    """

    counts: tuple[int, ...]
    left: int
    top: int
    width: int
    height: int
    by_column: bool

    def __post_init__(self) -> None:
        """Check that the runs fill the box."""
        total = sum(self.counts)
        if total != self.width * self.height or min(self.counts, default=0) < 0:
            raise DataError(
                f"run lengths of {total} pixels for a box of {self.width}x{self.height}"
            )

    def raster(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return its pixels, (height, width) bool; what is outside is cut off."""
        inside = np.arange(len(self.counts)) % 2 == 1
        flat = np.repeat(inside, self.counts)
        box = flat.reshape((self.height, self.width), order="F" if self.by_column else "C")
        mask = np.zeros((height, width), bool)
        top, left = max(0, self.top), max(0, self.left)
        seen = box[top - self.top : height - self.top, left - self.left : width - self.left]
        mask[top : top + seen.shape[0], left : left + seen.shape[1]] = seen
        return mask

    def bounds(self) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom of the box."""
        return self.left, self.top, self.left + self.width, self.top + self.height


def fill_polygon(points: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """Return a polygon's pixels, (height, width) bool: rleFrPoly.

    The outline is walked in steps of a fifth of a pixel. Where it crosses the middle of a column,
    the pixels from there down change between outside and inside.
    """
    corners = np.trunc(SCALE * points + 0.5).astype(np.int64)
    ends = np.roll(corners, -1, axis=0)
    walked = np.concatenate([_walk(a, b) for a, b in zip(corners, ends, strict=True)])
    u, v = walked.T
    crossing = u[1:] != u[:-1]
    x = np.minimum(u[1:], u[:-1])[crossing]  # the left one of two steps
    y = np.minimum(v[1:], v[:-1])[crossing]
    column = (x + 0.5) / SCALE - 0.5
    kept = (column == np.floor(column)) & (column >= 0) & (column <= width - 1)
    row = np.ceil(np.clip((y + 0.5) / SCALE - 0.5, 0, height))
    places = (column * height + row).astype(np.int64)[kept]
    changes = np.bincount(places, minlength=width * height + 1)[: width * height]
    inside = (np.cumsum(changes) % 2).astype(bool)
    return np.asarray(inside.reshape(width, height).T)


def _walk(start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the steps from start to end, (steps, 2), both ends among them."""
    steps = int(np.abs(end - start).max())
    if steps == 0:
        return start[None]
    long = int(np.argmax(np.abs(end - start)))  # ties go to x, as in maskApi.c
    flip = start[long] > end[long]
    low, high = (end, start) if flip else (start, end)
    along = np.arange(steps + 1)
    slope = (high - low)[1 - long] / steps
    walked = np.empty((steps + 1, 2), np.int64)
    walked[:, long] = low[long] + along
    walked[:, 1 - long] = np.trunc(low[1 - long] + slope * along + 0.5).astype(np.int64)
    return walked[::-1] if flip else walked


def read_runs(text: str) -> tuple[int, ...]:
    """Return the run lengths in a string of COCO's: rleFrString.

    A number is in groups of five bits, the lowest first, bit 5 saying that more follow; from the
    fourth number on, the difference to the one two before.
    """
    counts: list[int] = []
    value = shift = 0
    for code in (ord(letter) - 48 for letter in text):
        if not 0 <= code < 64:
            raise DataError("run lengths with a letter that is none of COCO's")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return tuple(counts)


def ring(values: Sequence[float]) -> NDArray[np.float64]:
    """Return x, y, x, y, … as (N, 2); raises DataError when it is not that."""
    try:
        return np.array(values, np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        raise DataError("a polygon that is not a list of x, y, x, y, …") from None
