"""The overlay as a video file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import DataError, RoadsegError, UsageError
from roadseg.runtime.files import atomic_path
from roadseg.runtime.result import Result
from roadseg.runtime.sinks.base import Sink
from roadseg.runtime.sinks.encoder import PLAIN, Encoder, choose_codec, open_encoder
from roadseg.runtime.sinks.painter import Painter
from roadseg.runtime.sources.base import SourceInfo

STILLS_FPS = 2.0  # of a video made of single images
CAMERA_FPS = 30.0  # where a camera does not tell its rate
LONGEST_GAP_S = 1.0  # that is filled; longer, and the camera was away
SLOWEST_FPS, FASTEST_FPS = 0.002, 10000.0  # that MPEG-4's clock can count
PROBED_SIZE = (640, 480)  # where the source does not know its own


class VideoSink(Sink):
    """Writes a video beside the file's name and renames it at the end.

    A live source's frames come unevenly: they are repeated or left out so that the video keeps
    the clock's time. Time that it was away is left out, and frames that come back in another size
    are scaled.

    codec: by FFmpeg's name, "auto" for the hardware's where it has one; "" for OpenCV's own.
    """

    name = "video"

    def __init__(self, path: Path, info: SourceInfo, painter: Painter, codec: str = "") -> None:
        suffix = path.suffix.lower()
        if suffix not in PLAIN:
            known = ", ".join(PLAIN)
            raise UsageError(f"{path}: unknown kind of video '{path.suffix}': known are {known}")
        self._fps = info.fps or (CAMERA_FPS if info.live else STILLS_FPS)
        if not SLOWEST_FPS <= self._fps <= FASTEST_FPS:
            raise UsageError(
                f"{path}: the source has {self._fps:g} frames a second, a video may have "
                f"{SLOWEST_FPS:g} to {FASTEST_FPS:g}"
            )
        size = _even((info.width, info.height)) if info.width else PROBED_SIZE
        self.codec = choose_codec(codec, suffix, size) if codec else PLAIN[suffix][0]
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        self.path, self._live, self._painter = path, info.live, painter
        self._files = ExitStack()
        # FFmpeg takes what stands before a colon for a protocol, but not behind a slash.
        self._part = self._files.enter_context(atomic_path(path.absolute()))
        self._encoder: Encoder | None = None
        self._size = (0, 0)
        self._start_ns = 0
        self._written = 0

    def write(self, result: Result) -> None:
        """See Sink."""
        picture = self._painter.paint(result)
        height, width = picture.shape[:2]
        if self._encoder is None:
            self._start_ns = result.frame.timestamp_ns
            self._encoder = self._open((width, height))
        if (width, height) != self._size and self._live:
            picture = cast("NDArray[np.uint8]", cv2.resize(picture, self._size))
        elif (width, height) != self._size:
            self._written = 0
            raise DataError(
                f"frame {result.frame.name} is {width}x{height}, those before it "
                f"{self._size[0]}x{self._size[1]}: a video has one size; use --masks or --sheet"
            )
        for _ in range(self._due(result)):
            with self._naming_itself():
                self._encoder.write(_cut(picture))
            self._written += 1

    def _open(self, size: tuple[int, int]) -> Encoder:
        self._size = size
        with self._naming_itself():
            return open_encoder(self._part, self.codec, self._fps, _even(size))

    def _due(self, result: Result) -> int:
        if not self._live:
            return 1
        since = (result.frame.timestamp_ns - self._start_ns) / 1e9
        due = max(0, round(since * self._fps) + 1 - self._written)
        if due <= max(1.0, LONGEST_GAP_S * self._fps):
            return due
        self._start_ns += round((due - 1) / self._fps * 1e9)
        return 1

    def close(self) -> str:
        """See Sink; raises RoadsegError when the file did not become whole."""
        if self._encoder is not None:
            with self._naming_itself():
                self._encoder.close()
        if not self._written:
            self._part.unlink(missing_ok=True)
            return ""
        self._check()
        self._files.close()
        return f"video {self.path}, {self._written} frames, {self.codec}"

    @contextmanager
    def _naming_itself(self) -> Iterator[None]:
        try:
            yield
        except RoadsegError as error:
            self._part.unlink(missing_ok=True)
            raise type(error)(f"{self.path}: {error}") from None

    def _check(self) -> None:
        """Count what was written: OpenCV's writer does not tell of a full disk."""
        reader = cv2.VideoCapture(str(self._part), cv2.CAP_FFMPEG)
        count = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
        reader.release()
        if count < self._written:
            self._part.unlink(missing_ok=True)
            raise RoadsegError(
                f"{self.path}: {count} of {self._written} frames could be written (disk full?)"
            )


def _even(size: tuple[int, int]) -> tuple[int, int]:
    if min(size) < 2:
        raise DataError(f"frames are {size[0]}x{size[1]}: a video needs 2x2 pixels; use --masks")
    return size[0] & ~1, size[1] & ~1


def _cut(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut an odd side by a pixel: the codec's colour planes have half the size."""
    height, width = picture.shape[:2]
    if not (height | width) & 1:
        return picture
    return np.ascontiguousarray(picture[: height & ~1, : width & ~1])
