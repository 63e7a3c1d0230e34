"""Polygons as Cityscapes and IDD keep them, drawn as their own tools draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from roadseg.data.dataset import Pixels
from roadseg.data.formats.json_files import read_json, reason
from roadseg.data.formats.pillow_shapes import new_mask
from roadseg.data.labelled_files import LabelledFiles
from roadseg.runtime.errors import DataError
from roadseg.runtime.spec import ClassInfo


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
        raw = read_json(path)
        try:
            canvas, draw = new_mask(int(raw["imgWidth"]), int(raw["imgHeight"]), self.background)
            for entry in raw["objects"]:
                if not entry.get("deleted") and entry["label"] not in self.undrawn:
                    points = [(x, y) for x, y in entry["polygon"]]
                    draw.polygon(points, fill=self._number(entry, path))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: not a file of polygons ({reason(error)})") from None
        return np.array(canvas, np.uint8)

    def _number(self, entry: Mapping[str, Any], path: Path) -> int:
        label = entry["label"]
        if label not in self.numbers:
            label = label.removesuffix("group")
        if label not in self.numbers:
            raise DataError(f"{path}: unknown label '{entry['label']}'")
        return self.numbers[label]
