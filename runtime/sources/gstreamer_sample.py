"""A sample of GStreamer's appsink, its buffer mapped: pixels as a view."""

from __future__ import annotations

import ctypes
from ctypes import byref

import numpy as np

from roadseg.runtime.errors import UsageError
from roadseg.runtime.frame import PixelFormat, Pixels
from roadseg.runtime.sources.gstreamer_library import (
    READ,
    TIME,
    Buffer,
    Library,
    MapInfo,
    VideoInfo,
)

FORMATS = {  # GStreamer's names: ours, and the bytes of a pixel, 0 for planes
    "NV12": (PixelFormat.NV12, 0),
    "YUY2": (PixelFormat.YUYV, 2),
    "BGR": (PixelFormat.BGR, 3),
    "RGB": (PixelFormat.RGB, 3),
}
EVEN = (PixelFormat.NV12, PixelFormat.YUYV)


class MappedSample:
    """Holds a sample and its mapping until `release`, or until neither it nor pixels are in use.

    copy_reason: why its pixels are a copy, "" when they are a view.
    """

    def __init__(self, library: Library, sample: int) -> None:
        self._lib, self._sample, self._map = library, sample, MapInfo()
        self._address = library.gst_sample_get_buffer(sample)
        self._mapped = bool(library.gst_buffer_map(self._address, byref(self._map), READ))
        if not self._mapped:
            self.release()
            raise UsageError("GStreamer's buffers are not in memory that the CPU can read")
        self.buffer = Buffer.from_address(self._address)
        self.video = VideoInfo()
        caps = library.gst_sample_get_caps(sample)
        library.gst_video_info_from_caps(byref(self.video), caps)
        name = library.gst_structure_get_string(library.gst_caps_get_structure(caps, 0), b"format")
        self.format, self._depth = FORMATS[name.decode()]
        self.copy_reason = ""
        self.pixels = self._view()

    @property
    def running_time_ns(self) -> int:
        """When it was captured, since the pipeline's base time; NO_TIME where it has no time."""
        segment = self._lib.gst_sample_get_segment(self._sample)
        return int(self._lib.gst_segment_to_running_time(segment, TIME, self.buffer.pts))

    def release(self) -> None:
        """Give the buffer back; may be called twice."""
        if self._mapped:
            self._lib.gst_buffer_unmap(self._address, byref(self._map))
        if self._sample:
            self._lib.gst_mini_object_unref(self._sample)
        self._mapped, self._sample = False, 0

    def __del__(self) -> None:
        self.release()

    def _view(self) -> Pixels:
        width, height = self.video.width, self.video.height
        if self.format in EVEN and (width | height) & 1:
            raise UsageError(f"{self.format.value} of {width}x{height}: add a caps filter for BGR")
        offsets, strides = self._layout()
        memory = (ctypes.c_uint8 * self._map.size).from_address(self._map.data)
        memory.owner = self  # who has the pixels has the buffer
        flat: Pixels = np.frombuffer(memory, np.uint8)
        if self.format is not PixelFormat.NV12:
            return _rows(flat, offsets[0], strides[0], height, width, self._depth)
        if strides[0] == strides[1] and offsets[1] == offsets[0] + strides[0] * height:
            return _rows(flat, offsets[0], strides[0], height * 3 // 2, width)
        self.copy_reason = "luma and chroma lie apart in GStreamer's buffer"
        luma = _rows(flat, offsets[0], strides[0], height, width)
        return np.concatenate([luma, _rows(flat, offsets[1], strides[1], height // 2, width)])

    def _layout(self) -> tuple[list[int], list[int]]:
        meta = self._lib.gst_buffer_get_video_meta(self._address)
        layout = meta.contents if meta else self.video
        return list(layout.offset), list(layout.stride)


def _rows(flat: Pixels, offset: int, stride: int, rows: int, width: int, depth: int = 0) -> Pixels:
    shape: tuple[int, ...] = (rows, width, depth) if depth else (rows, width)
    strides: tuple[int, ...] = (stride, depth, 1) if depth else (stride, 1)
    return np.lib.stride_tricks.as_strided(flat[offset:], shape, strides, writeable=False)
