"""LivePicture: the newest frame and its mask, encoded once for all viewers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.result import Result
from roadseg.runtime.sinks.painter import to_bgr
from roadseg.runtime.spec import ClassInfo

WIDTH = 960  # at most: sharp on a phone, and about 60 kB
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 75]
PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # newer OpenCV; a quarter of the time for class ids
    PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]


@dataclass(frozen=True)
class Picture:
    """A frame as viewers get it.

    content: a JPEG of the frame, a grey PNG of the mask's class ids, of the same size, and JSON of
        what post-processing found, in pixels of the frame, whose size it has too.
    mask_at, findings_at: where the PNG and the JSON begin, bytes.
    sequence: of the frame.
    age_ms: from its capture to the end of its encoding.
    """

    content: bytes
    mask_at: int
    findings_at: int
    sequence: int
    age_ms: float


class LivePicture:
    """Gives each frame to all who wait for one; a frame for which nobody waits is not encoded.

    Viewers ask for the next frame when they have had the last. So nothing piles up on the way to a
    slow one: it sees fewer frames, and each is new.
    """

    def __init__(self, classes: Sequence[ClassInfo] = ()) -> None:
        self._classes = tuple(classes)
        self._changed = threading.Condition()
        self._picture: Picture | None = None
        self._number = 0
        self._waiting = 0
        self.encoded = 0

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a frame."""
        return self._waiting > 0

    def next(self, timeout_s: float) -> Picture | None:
        """Wait for the next frame; None when there is none in time."""
        with self._changed:
            number = self._number
            self._waiting += 1
            try:
                come = self._changed.wait_for(lambda: self._number != number, timeout_s)
            finally:
                self._waiting -= 1
            return self._picture if come else None

    def show(self, result: Result) -> None:
        """Encode a result, and give it to all who wait."""
        jpeg, png = _encode(result)
        found = _findings(result, self._classes)
        self.encoded += 1
        age_ms = (time.monotonic_ns() - result.frame.timestamp_ns) / 1e6
        places = len(jpeg), len(jpeg) + len(png)
        with self._changed:
            self._picture = Picture(jpeg + png + found, *places, result.frame.sequence, age_ms)
            self._number += 1
            self._changed.notify_all()


def _encode(result: Result) -> tuple[bytes, bytes]:
    """Return a JPEG of the frame and a PNG of the mask, at most WIDTH wide."""
    frame, mask = to_bgr(result.frame), result.mask
    height, width = mask.shape
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    return _file(".jpg", frame, JPEG), _file(".png", mask, PNG)


def _findings(result: Result, classes: Sequence[ClassInfo]) -> bytes:
    height, width = result.mask.shape
    told = {"size": [width, height], **result.findings.told(classes)}
    if (free := result.findings.free) is not None:
        told["bar"] = [free.left, free.right, free.row] if free.row >= 0 else None
    return json.dumps(told).encode()


def _file(suffix: str, pixels: NDArray[np.uint8], options: list[int]) -> bytes:
    return bytes(cv2.imencode(suffix, pixels, options)[1].data)
