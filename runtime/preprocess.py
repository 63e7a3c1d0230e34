"""Preprocess: a frame's pixels into an engine's input, colour and size in one native pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime import _native
from roadseg.runtime.arrays import check_array, check_contiguous, check_writable
from roadseg.runtime.frame import STACKED, Frame, PixelFormat

SHAPES: dict[PixelFormat, tuple[int | str, ...]] = {
    PixelFormat.BGR: ("H", "W", 3),
    PixelFormat.RGB: ("H", "W", 3),
    PixelFormat.NV12: ("H * 3 / 2", "W"),
    PixelFormat.NV12M: ("H", "W"),
    PixelFormat.NV21: ("H * 3 / 2", "W"),
    PixelFormat.YU12: ("H * 3 / 2", "W"),
    PixelFormat.YUYV: ("H", "W", 2),
    PixelFormat.UYVY: ("H", "W", 2),
    PixelFormat.GREY: ("H", "W"),
}
PAIRED = STACKED | {PixelFormat.NV12M, PixelFormat.YUYV, PixelFormat.UYVY}  # two pixels, one chroma


def preprocess(frame: Frame, out: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill `out` with the frame as RGB, resized bilinearly; return it.

    frame: rows may be padded. Luma and chroma are BT.601, limited range.
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
    _native.preprocess(pixels, frame.chroma, frame.format.value, frame.height, out)
    return out


def _check_chroma(frame: Frame) -> None:
    name, (rows, columns) = f"{frame.format.value} frame", frame.pixels.shape[:2]
    if frame.format in STACKED and (rows % 3 or columns % 2):
        raise ValueError(
            f"{name}: an even width and height are needed, so rows in threes: "
            f"not {frame.pixels.shape}"
        )
    if frame.format in PAIRED and columns % 2:
        raise ValueError(f"{name}: an even width is needed, not {columns}")
    if frame.format is PixelFormat.YU12 and frame.pixels.strides[0] % 2:
        raise ValueError(f"{name}: an even row stride is needed, not {frame.pixels.strides[0]}")
    if frame.format is PixelFormat.NV12M:
        _check_second_plane(frame, name)


def _check_second_plane(frame: Frame, name: str) -> None:
    if frame.height % 2 or frame.chroma is None:
        raise ValueError(f"{name}: an even height and a chroma plane are needed")
    check_array(frame.chroma, f"{name}'s chroma", ("H / 2", "W"))
    if frame.chroma.shape != (frame.height // 2, frame.width):
        raise ValueError(f"{name}: chroma of {frame.chroma.shape} does not fit")
