"""Cameras by V4L2, built from csrc/. What fails raises OSError with the kernel's errno."""

import numpy as np
from numpy.typing import NDArray

_Bytes = NDArray[np.uint8]

MMAP: int
USERPTR: int
DMABUF: int

class Capability:
    """What a device is; `capture`: it gives pictures."""

    driver: str
    card: str
    bus: str
    capture: bool
    multiplanar: bool
    streaming: bool

class FormatInfo:
    """A pixel format that a device offers."""

    fourcc: str
    description: str

class PlaneLayout:
    """One memory plane of a format."""

    row_bytes: int
    bytes: int

class Layout:
    """The format that a driver answered with; not `whole`: fields come one after the other."""

    fourcc: str
    width: int
    height: int
    whole: bool
    planes: list[PlaneLayout]

class Control:
    """A control with a number: its name is as v4l2-ctl writes it."""

    id: int
    name: str
    minimum: int
    maximum: int
    step: int
    preset: int
    inactive: bool

class Device:
    """An open device node."""

    capability: Capability

    def __init__(self, path: str) -> None: ...
    def formats(self) -> list[FormatInfo]: ...
    def sizes(self, fourcc: str) -> list[tuple[int, int, int, int, int, int]]:
        """Return smallest, largest and step of the width, then of the height; [] if not told."""

    def intervals(self, fourcc: str, width: int, height: int) -> list[tuple[int, int, int, int]]:
        """Return numerator and denominator of the shortest interval, then of the longest."""

    def follow_signal(self) -> bool:
        """Take the timings of the signal that comes in; whether it is a receiver (HDMI, SDI)."""

    def set_format(self, fourcc: str, width: int, height: int) -> Layout: ...
    def set_interval(self, numerator: int, denominator: int) -> tuple[int, int]:
        """Return the interval in use, (0, 0) when the driver has no rates."""

    def controls(self) -> list[Control]: ...
    def control(self, id: int) -> int: ...
    def set_control(self, id: int, value: int) -> None: ...
    def close(self) -> None: ...

class Filled:
    """A buffer that the driver has filled; timestamp_ns is 0 when it is not monotonic."""

    index: int
    loan: int
    sequence: int
    timestamp_ns: int
    error: bool
    bytes: list[int]

class Stream:
    """A device's buffers: one thread calls next; give_back, cancel and close may be called by all.

    memory: MMAP, USERPTR or DMABUF. The driver may give another count than was asked for.
    """

    count: int
    queued: int

    def __init__(self, device: Device, memory: int, count: int) -> None: ...
    def map(self, index: int) -> list[_Bytes]: ...
    def export_planes(self, index: int) -> list[int]: ...
    def use_memory(self, index: int, planes: list[_Bytes]) -> None: ...
    def use_dmabufs(self, index: int, fds: list[int], sizes: list[int]) -> None: ...
    def map_dmabufs(self, index: int, fds: list[int], sizes: list[int]) -> list[_Bytes]: ...
    def start(self) -> None: ...
    def next(self, timeout_ms: int) -> Filled | None:
        """Return the next buffer, None when none came in time or the stream is cancelled."""

    def give_back(self, index: int, loan: int) -> None: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...
