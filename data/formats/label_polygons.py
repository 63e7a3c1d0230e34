"""Polygons as Cityscapes and IDD keep them, drawn as their own tools draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from roadseg.data.dataset import Pixels, Sample
from roadseg.data.formats.json_files import read_json, reason
from roadseg.data.formats.painted import CUT_OFF, reaches_outside
from roadseg.data.formats.pillow_shapes import check_points, new_mask
from roadseg.data.labelled_files import LabelledFiles
from roadseg.runtime.errors import DataError
from roadseg.runtime.spec import ClassInfo

Points = list[tuple[float, float]]


class LabelPolygons(LabelledFiles):
    """Reads …_polygons.json: later polygons cover earlier ones, deleted ones are left out.

    As createLabelImage of cityscapesScripts does, a label …group that is not known is taken without
    "group".

    numbers: id by label.
    background: id where there is no polygon.
    undrawn: labels that are not drawn.
    """

    def __init__(
        self,
        classes: Sequence[ClassInfo],
        numbers: Mapping[str, int],
        background: int,
        undrawn: Sequence[str] = (),
    ) -> None:
        super().__init__(classes)
        self.numbers, self.background, self.undrawn = dict(numbers), background, tuple(undrawn)

    def read_mask(self, path: Path) -> Pixels:
        """Return the mask (H, W) of a file's polygons."""
        (width, height), polygons = self._polygons(path)
        canvas, draw = new_mask(width, height, self.background)
        for _, label, points in polygons:
            draw.polygon(points, fill=self._number(label, path))
        return np.array(canvas, np.uint8)

    def notes(self, sample: Sample) -> list[str]:
        """Return a line for each polygon that is cut off at the image's edge."""
        if sample.mask is None:
            return []
        (width, height), polygons = self._polygons(sample.mask)
        return [
            f"{sample.mask}: object {number} ('{label}') {CUT_OFF}"
            for number, label, xy in polygons
            if reaches_outside((*np.min(xy, 0), *np.max(xy, 0)), width, height)
        ]

    def _polygons(self, path: Path) -> tuple[tuple[int, int], list[tuple[int, str, Points]]]:
        """Return the image's width and height, and number, label and points of what is drawn."""
        raw, where, polygons = read_json(path), str(path), []
        try:
            size = int(raw["imgWidth"]), int(raw["imgHeight"])
            if min(size) < 1:
                raise ValueError(f"an image of {size[0]}x{size[1]}")
            for number, entry in enumerate(raw["objects"]):
                where = f"{path}: object {number}"
                if not entry.get("deleted") and entry["label"] not in self.undrawn:
                    polygons.append((number, str(entry["label"]), _points(entry["polygon"])))
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise DataError(f"{where}: not as in a file of polygons ({reason(error)})") from None
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
        return size, polygons

    def _number(self, label: str, path: Path) -> int:
        known = label if label in self.numbers else label.removesuffix("group")
        if known not in self.numbers:
            raise DataError(f"{path}: unknown label '{label}'")
        return self.numbers[known]


def _points(polygon: list[tuple[float, float]]) -> Points:
    points = [(float(x), float(y)) for x, y in polygon]
    if len(points) < 2:
        raise DataError(f"a polygon of {len(points)} points")
    check_points("polygon", np.array(points))
    return points
