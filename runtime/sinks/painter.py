"""Painter: a result as a picture, the mask's colours over the frame."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.findings import Findings
from roadseg.runtime.frame import Frame, PixelFormat, copy_pixels
from roadseg.runtime.overlay import overlay
from roadseg.runtime.result import Result
from roadseg.runtime.spec import ClassInfo

Pixels = NDArray[np.uint8]

OUTLINE, BLOCK, EDGE = (255, 255, 255), (60, 220, 255), (30, 30, 30)  # BGR of what was found

TO_BGR = {
    PixelFormat.RGB: cv2.COLOR_RGB2BGR,
    PixelFormat.NV12: cv2.COLOR_YUV2BGR_NV12,
    PixelFormat.NV21: cv2.COLOR_YUV2BGR_NV21,
    PixelFormat.YU12: cv2.COLOR_YUV2BGR_I420,
    PixelFormat.YUYV: cv2.COLOR_YUV2BGR_YUYV,
    PixelFormat.UYVY: cv2.COLOR_YUV2BGR_UYVY,
    PixelFormat.GREY: cv2.COLOR_GRAY2BGR,
}


def palette_bgr(classes: Sequence[ClassInfo]) -> Pixels:
    """Return the classes' colours as (256, 3) BGR."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes)] = [info.color[::-1] for info in classes]
    return palette


def to_bgr(frame: Frame, out: Pixels | None = None) -> Pixels:
    """Return a frame's pixels (H, W, 3) BGR: themselves, or converted into `out`."""
    if frame.format is PixelFormat.BGR:
        return frame.pixels
    if frame.format is PixelFormat.NV12M:
        assert frame.chroma is not None
        chroma = frame.chroma.reshape(frame.height // 2, frame.width // 2, 2)
        planes = cv2.cvtColorTwoPlane(frame.pixels, chroma, cv2.COLOR_YUV2BGR_NV12, dst=out)
        return np.asarray(planes, np.uint8)
    pixels = _packed_yu12(frame) if frame.format is PixelFormat.YU12 else frame.pixels
    return np.asarray(cv2.cvtColor(pixels, TO_BGR[frame.format], dst=out), np.uint8)


def _packed_yu12(frame: Frame) -> Pixels:
    """Return a YU12 frame without padding: OpenCV has another order of padded chroma rows."""
    if frame.pixels.strides[0] == frame.width:
        return frame.pixels
    packed = np.empty(frame.pixels.shape, np.uint8)
    copy_pixels(frame, packed)
    return packed


class Painter:
    """Paints each result once, into a buffer of its own, however many sinks ask."""

    def __init__(self, classes: Sequence[ClassInfo], alpha: float = 0.5) -> None:
        self.classes = tuple(classes)
        self.alpha = alpha
        self._palette = palette_bgr(classes)
        self._painted: Pixels = np.empty((0, 0, 3), np.uint8)
        self._bgr: Pixels = np.empty((0, 0, 3), np.uint8)
        self._result: Result | None = None

    def paint(self, result: Result) -> Pixels:
        """Return (H, W, 3) uint8 BGR, valid until the next result is painted."""
        if result is not self._result:
            if self._painted.shape[:2] != result.mask.shape:
                self._painted = np.empty((*result.mask.shape, 3), np.uint8)
                self._bgr = np.empty_like(self._painted)
            pixels = to_bgr(result.frame, self._bgr)
            overlay(pixels, result.mask, self._palette, self.alpha, self._painted)
            draw_findings(self._painted, result.findings)
            self._result = result
        return self._painted


def draw_findings(picture: Pixels, findings: Findings) -> None:
    """Draw the drivable area's outline and where the way ahead is blocked onto a BGR picture."""
    thick = max(1, picture.shape[0] // 270)
    if findings.polygon is not None and len(findings.polygon):
        cv2.polylines(picture, [findings.polygon], True, OUTLINE, thick, cv2.LINE_AA)
    if (free := findings.free) is None or free.row < 0:
        return
    cv2.line(picture, (free.left, free.row), (free.right, free.row), BLOCK, 2 * thick)
    words = f"{free.pixels} px" if free.metres is None else f"{free.metres:.1f} m"
    place = (free.right + 4 * thick, free.row + 4 * thick)
    size = picture.shape[0] / 900
    for color, width in ((EDGE, 3 * thick), (BLOCK, thick)):
        cv2.putText(
            picture, words, place, cv2.FONT_HERSHEY_SIMPLEX, size, color, width, cv2.LINE_AA
        )
