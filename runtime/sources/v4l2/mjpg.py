"""Frames of an MJPG camera: decoded, which is a copy, and held to be whole."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.images import JPEG_END, JPEG_START

Pixels = NDArray[np.uint8]

START_OF_SCAN = b"\xff\xda"
# What may follow 0xFF in a scan: a stuffed zero, eight restart markers, fill, the end.
IN_SCAN = np.array([0x00, *range(0xD0, 0xD8), 0xFF, 0xD9], np.uint8)


def decode_mjpg(data: Pixels, width: int, height: int) -> Pixels | str:
    """Return (height, width, 3) BGR, or what is wrong with the frame.

    OpenCV decodes what was cut short or overwritten, and says nothing: that is looked for here.
    """
    fault = find_fault(data)
    if fault:
        return fault
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None:
        return "the JPEG cannot be decoded"
    if pixels.shape != (height, width, 3):
        return f"the JPEG is {pixels.shape[1]}x{pixels.shape[0]}, not {width}x{height}"
    return np.asarray(pixels, np.uint8)


def find_fault(data: Pixels) -> str:
    """Return what is wrong with a frame's bytes, "" when nothing shows."""
    content = data.tobytes()
    end, scan = content.rfind(JPEG_END), content.find(START_OF_SCAN)
    if not content.startswith(JPEG_START):
        return "no JPEG begins here"
    if end < scan or scan < 0:
        return "the JPEG is cut short (no end marker)"
    coded = data[scan + 2 : end + 2]
    after = coded[np.flatnonzero(coded[:-1] == 0xFF) + 1]
    if not np.isin(after, IN_SCAN).all():
        return "the JPEG is damaged (a marker in the middle of its picture)"
    return ""
