"""A V4L2 camera as a source, through OpenCV.

OpenCV gives neither the driver's sequence numbers nor its timestamps: frames are counted and timed
as they are read, so frames that the sensor dropped before that do not show in the ledger.
"""

from __future__ import annotations

import glob
import time
from pathlib import Path

import cv2

from roadseg.runtime.errors import SourceError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.sources.base import OpenSource, SourceInfo
from roadseg.runtime.sources.buffers import Buffers

FAILED_READS = 3  # in a row, before the camera counts as gone


class CameraSource(OpenSource):
    """A live camera; frames that nobody reads in time are stale."""

    def __init__(self, device: str) -> None:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        if not Path(device).exists():
            there = ", ".join(sorted(glob.glob("/dev/video*"))) or "none"
            raise SourceError(f"there is no camera {device} (cameras here: {there})")
        self._capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceError(f"{device} cannot be opened: in use, not permitted, or no camera")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.info = SourceInfo(f"v4l2://{device}", width, height, fps, frames=None, live=True)
        self._buffers = Buffers((height, width, 3))
        self._next = 0

    def read(self) -> Frame | None:
        """See Source."""
        for _ in range(FAILED_READS):
            buffer = self._buffers.lend()
            if self._capture.read(buffer)[0]:
                number = self._next
                self._next += 1
                release = self._buffers.returner(buffer)
                return Frame(
                    buffer, PixelFormat.BGR, time.monotonic_ns(), number, f"{number:06d}", release
                )
            self._buffers.returner(buffer)()
        raise SourceError(f"{self.info.uri} gives no more frames: unplugged or stalled")

    def close(self) -> None:
        """See Source."""
        self._capture.release()
