"""Preprocess: a frame's pixels into an engine's input, colour and size in one native pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime import _native
from roadseg.runtime.arrays import check_array, check_contiguous, check_writable
from roadseg.runtime.frame import Frame, PixelFormat

SHAPES: dict[PixelFormat, tuple[int | str, ...]] = {
    PixelFormat.BGR: ("H", "W", 3),
    PixelFormat.RGB: ("H", "W", 3),
    PixelFormat.NV12: ("H * 3 / 2", "W"),
    PixelFormat.YUYV: ("H", "W", 2),
}


def preprocess(frame: Frame, out: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill `out` with the frame as RGB, resized bilinearly; return it.

    frame: rows may be padded. NV12 and YUYV are BT.601, limited range.
    out: (h, w, 3) uint8, contiguous: an engine's input, of any size. Resizing has half-pixel
    centres and clamped edges, as OpenCV's INTER_LINEAR: it is no filter against aliasing.
    Raises ValueError when a shape, dtype or stride does not fit.
    """
    pixels = frame.pixels
    check_array(pixels, f"{frame.format.value} frame", SHAPES[frame.format])
    check_array(out, "preprocess's out", ("h", "w", 3))
    check_contiguous(out, "preprocess's out")
    check_writable(out, "preprocess's out")
    _check_chroma(frame)
    _native.preprocess(pixels, frame.format.value, frame.height, out)
    return out


def _check_chroma(frame: Frame) -> None:
    rows, columns = frame.pixels.shape[:2]
    if frame.format is PixelFormat.NV12 and (rows % 3 or columns % 2):
        raise ValueError(
            f"NV12 frame: an even width and height are needed, so rows in threes: "
            f"not {frame.pixels.shape}"
        )
    if frame.format is PixelFormat.YUYV and columns % 2:
        raise ValueError(f"YUYV frame: an even width is needed, not {columns}")
