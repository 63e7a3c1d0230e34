"""What the webcam made of software sees: eight colour bars and a bright block that moves."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

# Y, U and V of white, yellow, cyan, green, magenta, red, blue and black, 75 % of the colours.
BARS = np.array(
    [
        (235, 128, 128),
        (210, 16, 146),
        (170, 166, 16),
        (145, 54, 34),
        (106, 202, 222),
        (81, 90, 240),
        (41, 240, 110),
        (16, 128, 128),
    ],
    np.uint8,
)
BLOCK = 32  # pixels
STEPS = 16  # until the block is where it was


def picture(name: str, width: int, height: int, number: int) -> bytes:
    """The bytes of a frame in MJPG, YUYV or NV12."""
    return _picture(name, width, height, number % STEPS)


@functools.cache
def _picture(name: str, width: int, height: int, step: int) -> bytes:
    columns = BARS[np.arange(width) * len(BARS) // width]
    luma = np.tile(columns[:, 0], (height, 1))
    start = step * width // STEPS
    luma[height // 4 : height // 2, start : start + BLOCK] = 235
    chroma = columns[::2, 1:]
    if name == "YUYV":
        return _yuyv(luma, chroma).tobytes()
    nv12 = np.concatenate([luma, np.tile(chroma.reshape(-1), (height // 2, 1))])
    return nv12.tobytes() if name == "NV12" else _jpeg(nv12)


def _yuyv(luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    packed = np.empty((*luma.shape, 2), np.uint8)
    packed[..., 0] = luma
    packed[:, ::2, 1], packed[:, 1::2, 1] = chroma[:, 0], chroma[:, 1]
    return packed


def _jpeg(nv12: NDArray[np.uint8]) -> bytes:
    bgr = cv2.cvtColor(nv12, cv2.COLOR_YUV2BGR_NV12)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
