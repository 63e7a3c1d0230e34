"""Shapes drawn with Pillow, which the tools of labelme and Cityscapes draw with: equal pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from roadseg.data.formats.coco_shapes import FARTHEST
from roadseg.runtime.errors import DataError, MissingExtra

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

LINE_WIDTH, POINT_RADIUS = 10, 5  # labelme's, in pixels
POINTS_OF = {"circle": 2, "rectangle": 2, "line": 2, "point": 1, "oriented_rectangle": 4}


def new_mask(width: int, height: int, value: int) -> tuple[Image, ImageDraw]:
    """Return an 8-bit canvas and what draws on it; raises MissingExtra without Pillow."""
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise MissingExtra(
            "pillow", "data", "drawing the polygons of labelme and Cityscapes"
        ) from None
    canvas = Image.new("L", (width, height), value)
    return canvas, ImageDraw.Draw(canvas)


@dataclass(frozen=True)
class DrawnShape:
    """A shape of labelme: polygon, rectangle, oriented_rectangle, circle, line, linestrip, point.

    points: (N, 2) float64, x and y in pixels, whole numbers at the middle of a pixel.
    """

    kind: str
    points: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check the kind and its number of points."""
        count, wanted = len(self.points), POINTS_OF.get(self.kind)
        if self.kind not in (*POINTS_OF, "polygon", "linestrip"):
            raise DataError(f"a shape of an unknown kind, '{self.kind}'")
        if count != wanted if wanted else count < (3 if self.kind == "polygon" else 2):
            raise DataError(f"a {self.kind} of {count} points")
        check_points(self.kind, self.points)

    def raster(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return its pixels, (height, width) bool; what is outside is cut off."""
        canvas, draw = new_mask(width, height, 0)
        xy = [(float(x), float(y)) for x, y in self.points]
        if self.kind in ("circle", "point"):
            draw.ellipse(self.bounds(), fill=1, outline=1)
        elif self.kind == "rectangle":
            draw.rectangle(self.bounds(), fill=1, outline=1)
        elif self.kind in ("line", "linestrip"):
            draw.line(xy, fill=1, width=LINE_WIDTH)
        else:
            draw.polygon(xy, fill=1, outline=1)
        return np.array(canvas, bool)

    def bounds(self) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom: of a circle or point as drawn, else of its points."""
        if self.kind in ("circle", "point"):
            radius = POINT_RADIUS if self.kind == "point" else math.dist(*self.points.tolist())
            x, y = self.points[0].tolist()
            return x - radius, y - radius, x + radius, y + radius
        (left, top), (right, bottom) = self.points.min(0), self.points.max(0)
        return float(left), float(top), float(right), float(bottom)


def check_points(kind: str, points: NDArray[np.float64]) -> None:
    """Raise DataError when a point is no number or too far away to be drawn."""
    if not np.isfinite(points).all():
        raise DataError(f"a {kind} with a point that is no number")
    if np.abs(points).max(initial=0) > FARTHEST:
        raise DataError(f"a {kind} with a point more than {FARTHEST} pixels away")
