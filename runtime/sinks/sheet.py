"""A contact sheet: overlays spread over the whole run, and what the colours mean."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.drawing import grid, legend, stack
from roadseg.runtime.images import write_png
from roadseg.runtime.result import Result
from roadseg.runtime.sinks.base import Sink
from roadseg.runtime.sinks.painter import Painter

Pixels = NDArray[np.uint8]

COLUMNS = 3
MOST = 12  # pictures on the sheet
WIDTH = 480  # of a picture


class SheetSink(Sink):
    """Keeps every n-th overlay, small; n doubles when there are too many."""

    name = "sheet"

    def __init__(self, path: Path, painter: Painter) -> None:
        self.path, self._painter = path, painter
        self._every = 1
        self._seen = 0
        self._kept: list[Pixels] = []

    def write(self, result: Result) -> None:
        """See Sink."""
        if self._seen % self._every == 0:
            self._kept.append(self._small(self._painter.paint(result)))
        if len(self._kept) > 2 * MOST:
            self._kept = self._kept[::2]
            self._every *= 2
        self._seen += 1

    @staticmethod
    def _small(picture: Pixels) -> Pixels:
        height = max(1, round(picture.shape[0] * WIDTH / picture.shape[1]))
        return np.asarray(cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA))

    def close(self) -> str:
        """See Sink."""
        if not self._kept:
            return ""
        places = np.linspace(0, len(self._kept) - 1, min(MOST, len(self._kept)))
        pictures = grid([self._kept[round(place)] for place in places], COLUMNS)
        bottom = legend(self._painter.classes, pictures.shape[1])
        write_png(self.path, stack([pictures, bottom]), level=6)
        return f"sheet {self.path}"
