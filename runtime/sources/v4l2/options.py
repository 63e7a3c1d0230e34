"""What can be asked of a camera: v4l2:///dev/video0?size=1280x720&fps=30&format=NV12."""

from __future__ import annotations

from dataclasses import dataclass

from roadseg.runtime.errors import UsageError, unknown
from roadseg.runtime.options import Size

# By what users call them; V4L2's own four letters where these differ.
FOURCC = {"NV12M": "NM12", "RGB24": "RGB3", "BGR24": "BGR3"}
SIZE = Size(1280, 720)
FORMATS = ("NV12", "NV12M", "NV21", "YU12", "YUYV", "UYVY", "BGR24", "RGB24", "GREY", "MJPG")
LONGEST_S = 1e6  # the kernel counts milliseconds in 31 bits
MODES = ("mmap", "userptr", "expbuf", "dmabuf")


@dataclass(frozen=True)
class V4l2Options:
    """What camera:N?… and v4l2:///dev/videoN?… take; the nearest that the camera has is used.

    size: of frames; by default the one nearest to 1280x720 of those that have the rate.
    fps: frames a second.
    format: NV12, NV12M, NV21, YU12, YUYV, UYVY, BGR24, RGB24, GREY or MJPG; by default the one
        that gives the size and rate, colours, and no copy.
    buffers: frames under way at a time, in the driver and after it.
    mode: mmap (the driver's memory), userptr (ours, page-aligned), expbuf (the driver's, read as
        dma-bufs) or dmabuf (from a dma-buf heap).
    timeout: seconds without a frame until the camera counts as stalled; seg-run's --stall-timeout
        where it is not told.
    open_timeout: seconds that opening may take: a stalled device hangs for longer; --open-timeout
        where it is not told.
    exposure: auto, or milliseconds.
    gain: auto, or the driver's units.
    white_balance: auto, or kelvin.
    controls: others by name, such as brightness:128,sharpness:3.
    """

    size: Size | None = None
    fps: float = 30.0
    format: str = ""
    buffers: int = 8  # six may be held between capture and sinks
    mode: str = "mmap"
    timeout: float = 2.0
    open_timeout: float = 4.0
    exposure: str = ""
    gain: str = ""
    white_balance: str = ""
    controls: str = ""

    def __post_init__(self) -> None:
        """Check values."""
        if self.format and self.format.upper() not in FORMATS:
            raise unknown("format", self.format, FORMATS)
        if self.mode not in MODES:
            raise unknown("mode", self.mode, MODES)
        if not 2 <= self.buffers <= 32:
            raise UsageError(f"buffers is {self.buffers}: it must be 2 to 32")
        for name, most in (("fps", 1e3), ("timeout", LONGEST_S), ("open_timeout", LONGEST_S)):
            if not 0 < getattr(self, name) < most:
                raise UsageError(f"{name} is {getattr(self, name)}: it must be positive")

    @property
    def fourcc(self) -> str:
        """The format in V4L2's four letters, "" when none is asked for."""
        name = self.format.upper()
        return FOURCC.get(name, name)


def format_name(fourcc: str) -> str:
    """Return what users call a format."""
    return {code: name for name, code in FOURCC.items()}.get(fourcc, fourcc.strip())
