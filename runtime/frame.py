"""Frame: one picture from a source, a view of the source's pixels with when it was taken."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class PixelFormat(enum.Enum):
    """How a frame's bytes are laid out."""

    BGR = "BGR"  # (H, W, 3)
    RGB = "RGB"  # (H, W, 3)
    NV12 = "NV12"  # (H * 3 / 2, W): H rows of luma, then H / 2 rows of interleaved U and V
    NV12M = "NV12M"  # (H, W): luma alone; interleaved U and V, (H / 2, W), in the frame's chroma
    NV21 = "NV21"  # as NV12, with V before U
    YU12 = "YU12"  # (H * 3 / 2, W): luma, then U and V, each H / 2 rows of half the row stride
    YUYV = "YUYV"  # (H, W, 2): Y0 U Y1 V for each two pixels
    UYVY = "UYVY"  # (H, W, 2): U Y0 V Y1 for each two pixels
    GREY = "GREY"  # (H, W): full range


# Luma and, below it, half as many rows of chroma.
STACKED = frozenset({PixelFormat.NV12, PixelFormat.NV21, PixelFormat.YU12})


def _keep() -> None:
    """Release nothing: the frame owns its pixels."""


@dataclass(frozen=True)
class Frame:
    """A view of a source's pixels, never a copy.

    pixels: uint8, shaped as its PixelFormat says; rows may be padded (any row stride).
    timestamp_ns: when it was captured, on the monotonic clock (time.monotonic_ns).
    sequence: the source's own count; a gap is a frame that the sensor dropped.
    name: the file it came from, without suffix, or the sequence as six digits.
    release: gives the buffer back to the source; pixels must not be read after it.
    chroma: uint8 (H / 2, W), of a frame whose chroma is in a buffer of its own (NV12M).
    connection: counts how often the source was opened; numbers go on over its return.
    """

    pixels: Pixels
    format: PixelFormat
    timestamp_ns: int
    sequence: int
    name: str = ""
    release: Callable[[], None] = field(default=_keep, repr=False, compare=False)
    chroma: Pixels | None = None
    connection: int = 0

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        rows = int(self.pixels.shape[0])
        return rows * 2 // 3 if self.format in STACKED else rows


def copy_pixels(frame: Frame, out: Pixels) -> None:
    """Copy a frame's pixels into `out`, contiguous and of their shape: there is no padding in it.

    Rows of YU12's chroma lie at half the row stride, so two of them are no row of the array.
    """
    if frame.format is not PixelFormat.YU12:
        np.copyto(out, frame.pixels)
        return
    height, stride, halves = frame.height, frame.pixels.strides[0], (frame.height, frame.width // 2)
    chroma = np.lib.stride_tricks.as_strided(frame.pixels[height:], halves, (stride // 2, 1))
    np.copyto(out[:height], frame.pixels[:height])
    np.copyto(out[height:].reshape(halves), chroma)
