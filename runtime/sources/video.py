"""A video file as a source, decoded by OpenCV's FFmpeg."""

from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import numpy as np

from roadseg.runtime.errors import CorruptFrame, DataError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.sources.base import OpenSource, SourceInfo
from roadseg.runtime.sources.buffers import Buffers

COPY = "OpenCV converts what it decodes to BGR"


class VideoSource(OpenSource):
    """Every frame of a file, in order; a file that ends too early raises CorruptFrame."""

    def __init__(self, path: Path) -> None:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # faults are told in our words
        if path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty")
        # FFmpeg takes what stands before a colon for a protocol, but not behind a slash.
        self._capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise DataError(f"{path}: not a video that can be decoded, or cut short")
        width, height, fps, count = (
            self._capture.get(key)
            for key in (
                cv2.CAP_PROP_FRAME_WIDTH,
                cv2.CAP_PROP_FRAME_HEIGHT,
                cv2.CAP_PROP_FPS,
                cv2.CAP_PROP_FRAME_COUNT,
            )
        )
        frames = int(count) if count > 0 else None
        self.info = SourceInfo(
            str(path), int(width), int(height), fps, frames, live=False, copy_reason=COPY
        )
        self._buffers = Buffers((int(height), int(width), 3))
        self._next = 0
        self._last_s = 0.0  # when the last frame is shown
        self._ended = False

    def read(self) -> Frame | None:
        """See Source."""
        if self._ended:
            return None
        done, picture = self._capture.read(self._buffers.lend())
        if not done:
            self._ended = True
            self._check_whole()
            return None
        pixels = np.asarray(picture, np.uint8)  # not what was lent, where a video is to be turned
        number = self._next
        self._next += 1
        self._last_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        release = self._buffers.returner(pixels)
        return Frame(pixels, PixelFormat.BGR, time.monotonic_ns(), number, f"{number:06d}", release)

    def _check_whole(self) -> None:
        """Raise CorruptFrame when more than a second is missing, by the count and by the clock.

        Containers round the count, and without one it is a guess that holds for an even rate alone.
        """
        told, fps = self.info.frames or 0, self.info.fps
        missing = told - self._next > max(2.0, fps) and told > (self._last_s + 1) * fps
        if self._next == 0 or missing:
            raise CorruptFrame(
                f"{self.info.uri}: cut short or damaged, ends after {self._next} of {told} frames"
            )

    def close(self) -> None:
        """See Source."""
        self._ended = True
        self._capture.release()
