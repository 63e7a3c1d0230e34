"""A decoder's frame as pixels: a view of it where its layout allows, else one copy.

FFmpeg's decoders put each plane into memory of its own, so luma and chroma cannot be one array:
they are gathered into NV12. What is not 4:2:0 of limited range and BT.601 is converted to BGR by
swscale, which knows the stream's range and matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from roadseg.runtime.frame import PixelFormat, Pixels
from roadseg.runtime.sources.buffers import Buffers

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter

PACKED = {  # of one plane: bytes a pixel
    "bgr24": (PixelFormat.BGR, 3),
    "rgb24": (PixelFormat.RGB, 3),
    "yuyv422": (PixelFormat.YUYV, 2),
}
FULL_RANGE = 2  # AVCOL_RANGE_JPEG
BT601 = (2, 5, 6)  # AVCOL_SPC: not told, BT.470BG, SMPTE 170M

Release = Callable[[], None]


class DecodedPixels:
    """Turns decoded frames into pixels, in buffers that are used again."""

    def __init__(self, reformatter: VideoReformatter) -> None:
        self._reformatter = reformatter
        self._buffers = Buffers((0, 0))

    def take(self, frame: VideoFrame) -> tuple[Pixels, PixelFormat, Release]:
        """Return the pixels, their format, and what gives their buffer back."""
        if frame.format.name in PACKED:
            return _packed(frame)
        if _can_gather(frame):
            return self._gather(frame)
        return _packed(self._reformatter.reformat(frame, format="bgr24"))

    def _gather(self, frame: VideoFrame) -> tuple[Pixels, PixelFormat, Release]:
        height, width = frame.height, frame.width
        shape = (height * 3 // 2, width)
        if self._buffers.shape != shape:
            self._buffers = Buffers(shape)
        out = self._buffers.lend()
        luma, *chroma = (_plane(frame, number) for number in range(len(frame.planes)))
        np.copyto(out[:height], luma[:height, :width])
        if len(chroma) == 1:
            np.copyto(out[height:], chroma[0][: height // 2, :width])
        else:
            halves = [plane[: height // 2, : width // 2] for plane in chroma]
            cv2.merge(halves, out[height:].reshape(height // 2, width // 2, 2))
        return out, PixelFormat.NV12, self._buffers.returner(out)


def copy_reason(frame: VideoFrame) -> str:
    """Return why a frame's pixels are copied, "" when they are a view."""
    name = frame.format.name
    if name in PACKED:
        return ""
    if _can_gather(frame):
        return f"the decoder's {name} planes lie apart and are gathered into NV12"
    return f"the decoder's {name} is converted to BGR"


def _can_gather(frame: VideoFrame) -> bool:
    return (
        frame.format.name in ("yuv420p", "nv12")
        and frame.color_range != FULL_RANGE
        and frame.colorspace in BT601
        and not (frame.width | frame.height) & 1
    )


def _packed(frame: VideoFrame) -> tuple[Pixels, PixelFormat, Release]:
    """View a frame of one plane; the view keeps the decoder's frame alive."""
    form, depth = PACKED[frame.format.name]
    rows = _plane(frame, 0)[: frame.height, : frame.width * depth]
    return rows.reshape(frame.height, frame.width, depth), form, lambda: None


def _plane(frame: VideoFrame, number: int) -> Pixels:
    plane: Any = frame.planes[number]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
