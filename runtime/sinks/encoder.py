"""Encoders of video files: FFmpeg's through PyAV, the hardware's among them, and OpenCV's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import MissingExtra, RoadsegError, UsageError

Pixels = NDArray[np.uint8]
Size = tuple[int, int]  # width, height; both even

HARDWARE = ("h264_nvenc", "h264_v4l2m2m", "h264_vaapi")  # NVIDIA; many ARM boards; Intel and AMD
# OpenCV's own: least work for a processor. Also where nothing else is there.
PLAIN = {".mp4": ("mpeg4", "mp4v"), ".mkv": ("mpeg4", "mp4v"), ".avi": ("mjpeg", "MJPG")}
OPTIONS = {"libx264": {"preset": "superfast"}}


class Encoder(Protocol):
    """Writes pictures of one size to a file."""

    def write(self, picture: Pixels) -> None:
        """Encode (H, W, 3) uint8 BGR."""

    def close(self) -> None:
        """Write what is left, and the file's end."""


def choose_codec(asked: str, suffix: str, size: Size) -> str:
    """Return the codec for a file of this suffix (in PLAIN), by FFmpeg's name.

    asked: a name; "auto" for the first of HARDWARE that encodes a frame here, else the plain one.
    Raises UsageError when the codec that is asked for cannot encode here, with the reason.
    """
    plain = PLAIN[suffix][0]
    if asked == plain or suffix == ".avi":
        if asked not in ("auto", plain):
            raise UsageError(f"--save-codec {asked}: needs .mp4 or .mkv; {suffix} takes {plain}")
        return plain
    if asked == "auto":
        return next((codec for codec in HARDWARE if not why_not(codec, size, suffix)), plain)
    if reason := why_not(asked, size, suffix):
        raise UsageError(f"--save-codec {asked} cannot encode here: {reason}")
    return asked


def why_not(codec: str, size: Size, suffix: str = ".mp4") -> str:
    """Encode a grey frame into a file of this suffix; return why it failed, "" when it did not.

    That FFmpeg has an encoder says nothing: its wheel has those of hardware that is not here.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            encoder = FfmpegEncoder(Path(folder) / f"probe{suffix}", codec, 30.0, size)
            encoder.write(np.full((size[1], size[0], 3), 128, np.uint8))
            encoder.close()
        except MissingExtra as error:
            return str(error)
        except Exception as error:  # older PyAV raises TypeErrors for what it cannot set
            return str(error) or type(error).__name__
    return ""


def open_encoder(path: Path, codec: str, fps: float, size: Size) -> Encoder:
    """Open an encoder for a codec of choose_codec; raises RoadsegError when it fails."""
    plain, fourcc = PLAIN[path.suffix.lower()]
    if codec == plain:
        return OpenCvEncoder(path, fourcc, fps, size)
    return FfmpegEncoder(path, codec, fps, size)


class OpenCvEncoder:
    """See Encoder. It does not tell of a full disk."""

    def __init__(self, path: Path, fourcc: str, fps: float, size: Size) -> None:
        code = cv2.VideoWriter.fourcc(*fourcc)
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, size)
        if not self._writer.isOpened():
            raise RoadsegError("cannot be written (folder not writable, disk full?)")

    def write(self, picture: Pixels) -> None:
        """See Encoder."""
        self._writer.write(picture)

    def close(self) -> None:
        """See Encoder."""
        self._writer.release()


class FfmpegEncoder:
    """See Encoder. Raises RoadsegError with FFmpeg's reason for whatever fails."""

    def __init__(self, path: Path, codec: str, fps: float, size: Size) -> None:
        try:
            import av
        except ImportError:
            raise MissingExtra("PyAV", "camera", f"encoding with {codec}") from None
        self._av: Any = av
        self._number = 0
        rate = Fraction(fps).limit_denominator(1001)
        self._tick = 1 / rate
        with self._faults(codec):
            self._file = self._av.open(str(path), "w")
            self._stream = self._file.add_stream(codec, rate=rate, **_settings(codec))
            self._stream.width, self._stream.height = size
            self._stream.pix_fmt = "nv12" if codec in HARDWARE else "yuv420p"
            self._file.start_encoding()  # what cannot be opened fails here

    def write(self, picture: Pixels) -> None:
        """See Encoder."""
        with self._faults("encoding"):
            frame = self._av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = self._number, self._tick
            self._number += 1
            self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        """See Encoder."""
        with self._faults("the end of the file"):
            try:
                self._file.mux(self._stream.encode())
            finally:  # else Python closes it later, and prints a traceback of what fails there
                self._file.close()

    @contextmanager
    def _faults(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise RoadsegError(f"{doing}: {getattr(error, 'strerror', '') or error}") from None


def _settings(codec: str) -> dict[str, Any]:
    """Return what PyAV is told of a codec besides size and rate."""
    if codec.endswith("_vaapi"):
        from av.codec.hwaccel import HWAccel

        return {"hwaccel": HWAccel("vaapi")}  # PyAV then uploads the frames
    return {"options": OPTIONS.get(codec, {})}
