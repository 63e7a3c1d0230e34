"""A V4L2 camera as a source: each frame is a view of a buffer that the driver has filled."""

from __future__ import annotations

import errno
import functools
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime import _v4l2
from roadseg.runtime.errors import CorruptFrame, SourceError, SourceStalled
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.sources.base import OpenSource, SourceInfo
from roadseg.runtime.sources.v4l2.controls import apply_controls
from roadseg.runtime.sources.v4l2.faults import source_error
from roadseg.runtime.sources.v4l2.memory import KINDS, Memory, StreamMemory
from roadseg.runtime.sources.v4l2.mjpg import decode_mjpg
from roadseg.runtime.sources.v4l2.negotiation import PIXEL_FORMATS, Mode, missing, negotiate
from roadseg.runtime.sources.v4l2.numbering import FrameNumbers
from roadseg.runtime.sources.v4l2.opening import open_within
from roadseg.runtime.sources.v4l2.options import V4l2Options, format_name
from roadseg.runtime.sources.v4l2.views import plane_views

Pixels = NDArray[np.uint8]


class V4l2Source(OpenSource):
    """A live camera. Frames have the kernel's timestamps and sequence numbers.

    A frame's buffer goes back to the driver with `release`; while all are held, the camera drops
    frames. Frames stay readable after close, as a copy: the driver's memory is given up then.

    node: the device file that it was opened by.
    """

    def __init__(self, node: str, options: V4l2Options, memory: Memory | None = None) -> None:
        """Open a device node; see open_camera for a limit of the time that it takes."""
        self.options, self.node = options, node
        self._closed = False
        self._numbers = FrameNumbers()
        self._stream: _v4l2.Stream | None = None
        self._memory: StreamMemory | None = None
        self._views: list[list[Pixels]] = []
        try:
            self._device = _v4l2.Device(node)
        except OSError as error:
            raise source_error(error, node) from None
        try:
            self._start(memory or Memory())
        except OSError as error:
            self.close()
            raise source_error(error, node) from None
        except BaseException:
            self.close()
            raise

    def _start(self, memory: Memory) -> None:
        check_camera(self._device.capability, self.node)
        self._device.follow_signal()
        mode, layout = negotiate(self._device, self.options)
        apply_controls(self._device, self.options)
        self._stream = stream = self._request_buffers()
        sizes = [plane.bytes for plane in layout.planes]
        self._memory = StreamMemory(stream, self.options.mode, sizes, memory)
        self._format = PIXEL_FORMATS[layout.fourcc]
        self._look(layout)
        self.info = self._describe(mode)
        stream.start()

    def _request_buffers(self) -> _v4l2.Stream:
        mode = self.options.mode
        try:
            return _v4l2.Stream(self._device, KINDS[mode], self.options.buffers)
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise SourceError(f"{self.node} gives no buffers with mode={mode}") from None
            raise

    def _look(self, layout: _v4l2.Layout) -> None:
        """Make the views of each buffer, once; those of MJPG are its bytes."""
        assert self._memory is not None
        planes = self._memory.planes
        if self._format is None:
            self._needed, self._views = [1], planes
            return
        looks = plane_views(layout, self._format)
        self._needed = [look.needed for look in looks]
        self._views = [
            [look.of(plane) for look, plane in zip(looks, buffer, strict=True)] for buffer in planes
        ]

    def _describe(self, mode: Mode) -> SourceInfo:
        capability, options = self._device.capability, self.options
        name, usb = format_name(mode.fourcc), capability.bus.startswith("usb")
        copied = f"{name} is decoded" if self._format is None else ""
        told = [f"{capability.card}: {mode}, {len(self._views)} buffers ({options.mode})"]
        if missed := missing(options, mode):
            told.append(f"the nearest to {missed}")
        raw = "no user-space copy" + (" (USB: one inside the kernel)" if usb else "")
        told.append(f"a copy: {copied}" if copied else raw)
        return SourceInfo(
            f"v4l2://{self.node}",
            mode.size.width,
            mode.size.height,
            mode.fps,
            frames=None,
            live=True,
            copy_reason=copied,
            detail=", ".join(told),
        )

    def read(self) -> Frame | None:
        """See Source; None once it is closed. A frame that is damaged or too short is corrupt."""
        filled = self._wait()
        if filled is None or self._stream is None:
            return None
        release = functools.partial(self._stream.give_back, filled.index, filled.loan)
        sequence = self._numbers.of(filled.sequence, empty=not any(filled.bytes))
        taken = filled.timestamp_ns or time.monotonic_ns()
        if fault := self._find_fault(filled):
            release()
            raise CorruptFrame(f"{self.info.uri}: {fault}")
        if self._format is None:
            return self._decode(filled, taken, sequence, release)
        pixels, *chroma = self._views[filled.index]
        return Frame(
            pixels,
            self._format,
            taken,
            sequence,
            f"{sequence:06d}",
            release,
            chroma[0] if chroma else None,
        )

    def dmabufs(self, frame: Frame) -> list[int]:
        """Return the dma-bufs of a frame's planes (modes expbuf and dmabuf), for a GPU to import.

        They are valid until the source is closed.
        """
        place = frame.pixels.ctypes.data
        for index, (pixels, *_) in enumerate(self._views):
            if pixels.ctypes.data == place and self._memory and self._memory.dmabufs:
                return self._memory.dmabufs[index]
        raise ValueError("the frame has no dma-buf: open the camera with mode=expbuf or dmabuf")

    def cancel(self) -> None:
        """See Source."""
        self._closed = True
        if self._stream is not None:
            self._stream.cancel()

    def close(self) -> None:
        """See Source."""
        self.cancel()
        if self._stream is not None:
            self._stream.close()
        if self._memory is not None:
            self._memory.close()
        self._views = []
        self._device.close()

    def _wait(self) -> _v4l2.Filled | None:
        """Return the next buffer; while all of them are held, the camera is not to blame."""
        while self._stream is not None and not self._closed:
            starved = not self._stream.queued
            try:
                filled = self._stream.next(round(self.options.timeout * 1000))
            except OSError as error:
                raise source_error(error, self.node) from None
            if filled is not None:
                return filled
            if not (starved or self._closed):
                raise SourceStalled(
                    f"{self.info.uri} gives no frame and no error for {self.options.timeout:g} s"
                )
        return None

    def _find_fault(self, filled: _v4l2.Filled) -> str:
        if not any(filled.bytes):
            return "a buffer came back empty"
        if filled.error:
            return f"frame {filled.sequence} is damaged, says the driver"
        if any(used < needed for used, needed in zip(filled.bytes, self._needed, strict=True)):
            return f"frame {filled.sequence} has {sum(filled.bytes)} of {sum(self._needed)} bytes"
        return ""

    def _decode(
        self, filled: _v4l2.Filled, taken: int, sequence: int, release: Callable[[], None]
    ) -> Frame:
        data = self._views[filled.index][0][: filled.bytes[0]]
        decoded = decode_mjpg(data, self.info.width, self.info.height)
        release()
        if isinstance(decoded, str):
            raise CorruptFrame(f"{self.info.uri}: frame {sequence}: {decoded}")
        return Frame(decoded, PixelFormat.BGR, taken, sequence, f"{sequence:06d}")


def check_camera(capability: _v4l2.Capability, node: str) -> None:
    """Raise SourceError for a node that gives no pictures."""
    if not capability.capture:
        raise SourceError(
            f"{node} ('{capability.card}') is no capture device: --list-cameras shows those here"
        )
    if not capability.streaming:
        raise SourceError(f"{node} ('{capability.card}') cannot stream")


def open_camera(node: str, options: V4l2Options, memory: Memory | None = None) -> V4l2Source:
    """Open a device node within the options' open_timeout.

    Raises SourceError for what is not there, busy or no camera, SourceStalled when it hangs.
    """
    return open_within(
        options.open_timeout, f"v4l2://{node}", lambda: V4l2Source(node, options, memory)
    )
