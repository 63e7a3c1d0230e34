"""A driver's buffer seen as a frame's pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime._v4l2 import Layout
from roadseg.runtime.errors import SourceError
from roadseg.runtime.frame import STACKED, PixelFormat

Pixels = NDArray[np.uint8]

CHANNELS = {PixelFormat.BGR: 3, PixelFormat.RGB: 3, PixelFormat.YUYV: 2, PixelFormat.UYVY: 2}


@dataclass(frozen=True)
class PlaneView:
    """Rows of pixels in one memory plane: a shape, with rows `row_bytes` apart."""

    shape: tuple[int, ...]
    row_bytes: int

    @property
    def needed(self) -> int:
        """Bytes from the first pixel to the last."""
        row = int(np.prod(self.shape[1:]))
        return (self.shape[0] - 1) * self.row_bytes + row

    def of(self, memory: Pixels) -> Pixels:
        """Return the view, without a copy. Raises SourceError when the memory is too small."""
        if memory.size < self.needed:
            raise SourceError(f"a buffer of {memory.size} bytes is too small for a frame")
        inner = self.shape[2:]
        strides = (self.row_bytes, *inner, 1)
        view: Pixels = np.ndarray(self.shape, np.uint8, memory, strides=strides)
        return view


def plane_views(layout: Layout, pixel_format: PixelFormat) -> list[PlaneView]:
    """Return how each memory plane of a raw format is seen."""
    width, height, planes = layout.width, layout.height, layout.planes
    channels = CHANNELS.get(pixel_format, 1)
    row_bytes = [max(plane.row_bytes, width * channels) for plane in planes]
    if pixel_format is PixelFormat.NV12M:
        shapes: list[tuple[int, ...]] = [(height, width), (height // 2, width)]
    elif pixel_format in STACKED:
        shapes = [(height * 3 // 2, width)]
    else:
        shapes = [(height, width, channels) if channels > 1 else (height, width)]
    return [PlaneView(shape, row) for shape, row in zip(shapes, row_bytes, strict=True)]
