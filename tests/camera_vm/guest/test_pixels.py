"""Every format by every buffer mode: the driver's own memory, with the test pattern's colours."""

from __future__ import annotations

import dataclasses
import itertools
import os

import numpy as np
import pytest
from numpy.typing import NDArray
from vivid import FAULTY, MULTI, SINGLE, SMALL, mapping_of, mappings

from roadseg.runtime import _v4l2
from roadseg.runtime.frame import Frame
from roadseg.runtime.preprocess import preprocess
from roadseg.runtime.sinks.painter import to_bgr
from roadseg.runtime.sources.v4l2.memory import HEAP, Memory, anonymous_pages
from roadseg.runtime.sources.v4l2.options import FORMATS, MODES
from roadseg.runtime.sources.v4l2.source import V4l2Source, open_camera

# White, yellow, cyan, green, magenta, red, blue, black: vivid's colour bars.
BARS = np.array(list(itertools.product((255, 0), repeat=3)))[[0, 1, 4, 5, 2, 3, 6, 7]]
LUMA_709 = [0.2126, 0.7152, 0.0722]
PATTERN = dataclasses.replace(SMALL, controls="test_pattern:1,osd_text_mode:2")  # bars, no text
WHERE = {"mmap": "/dev/video", "expbuf": "/dmabuf", "dmabuf": "/dmabuf", "userptr": ""}


class OtherDevice:
    """Gives dma-bufs to import: the exported buffers of a camera that does not run."""

    def __init__(self) -> None:
        self.device = _v4l2.Device(FAULTY)
        self.device.set_format("RGB3", 320, 180)  # as large as any plane that is asked for
        self.stream = _v4l2.Stream(self.device, _v4l2.MMAP, 32)
        self.given = 0

    def dmabuf(self, size: int) -> int:
        self.given += 1
        fd = self.stream.export_planes(self.given - 1)[0]
        assert os.lseek(fd, 0, os.SEEK_END) >= size
        return os.dup(fd)


def open_pattern(format: str, mode: str) -> V4l2Source:
    node = MULTI if format == "NV12M" else SINGLE
    memory = Memory(dmabuf=OtherDevice().dmabuf) if mode == "dmabuf" else Memory()
    return open_camera(node, dataclasses.replace(PATTERN, format=format, mode=mode), memory)


def expected_bars(format: str) -> NDArray[np.float64]:
    if format == "GREY":
        return (BARS @ LUMA_709)[:, None].repeat(3, 1)
    return BARS.astype(float)


def check_colours(frame: Frame, format: str) -> None:
    rgb = preprocess(frame, np.empty((180, 320, 3), np.uint8)).astype(int)
    centres = rgb[10::40, 20::40]
    assert np.abs(centres - expected_bars(format)).max() <= 3, centres[0]
    assert np.abs(to_bgr(frame)[10::40, 20::40, ::-1].astype(int) - centres).max() <= 2


RAW = [name for name in FORMATS if name != "MJPG"]
EVERY = list(itertools.product(RAW, MODES))
SHORT = [(format, mode) for format, mode in EVERY if mode == "mmap" or format in ("NV12", "NV12M")]


@pytest.mark.parametrize(("format", "mode"), EVERY if os.environ.get("VM_LONG") else SHORT)
def test_the_test_pattern_in_the_drivers_buffer(format: str, mode: str) -> None:
    with open_pattern(format, mode) as source:
        assert source.info.copy_reason == "" and "no user-space copy" in source.info.detail
        assert f"{format} 320x180 at 60 FPS, 8 buffers ({mode})" in source.info.detail
        for _ in range(2):
            frame = source.read()
            assert frame is not None
            check_colours(frame, format)
            for plane in filter(lambda one: one is not None, (frame.pixels, frame.chroma)):
                assert WHERE[mode] in mapping_of(plane.ctypes.data)
            frame.release()
        if mode in ("expbuf", "dmabuf"):
            fds = source.dmabufs(frame)
            assert [os.readlink(f"/proc/self/fd/{fd}")[:8] for fd in fds] == ["/dmabuf:"] * len(fds)


def test_frames_lie_in_memory_that_the_caller_gave() -> None:
    given = []

    def pages(size: int) -> NDArray[np.uint8]:
        given.append(anonymous_pages(size))
        return given[-1]

    options = dataclasses.replace(PATTERN, format="YUYV", mode="userptr", buffers=3)
    with open_camera(SINGLE, options, Memory(pages=pages)) as source:
        frame = source.read()
        assert frame is not None
        assert frame.pixels.ctypes.data in [one.ctypes.data for one in given]
        check_colours(frame, "YUYV")
    check_colours(frame, "YUYV")


@pytest.mark.skipif(not os.path.exists(HEAP), reason="this kernel has no dma-buf heap")
@pytest.mark.parametrize("format", ["YUYV", "NV12M"])
def test_frames_lie_in_dmabufs_of_the_heap(format: str) -> None:
    node = MULTI if format == "NV12M" else SINGLE
    with open_camera(node, dataclasses.replace(PATTERN, format=format, mode="dmabuf")) as source:
        frame = source.read()
        assert frame is not None and "/dmabuf" in mapping_of(frame.pixels.ctypes.data)
        check_colours(frame, format)


def test_memory_that_does_not_begin_at_a_page_is_refused() -> None:
    options = dataclasses.replace(SMALL, mode="userptr")
    with pytest.raises(ValueError, match="must begin at a page"):
        open_camera(SINGLE, options, Memory(pages=lambda size: anonymous_pages(size + 4096)[64:]))
    open_camera(SINGLE, SMALL).close()


@pytest.mark.parametrize(("format", "mode"), [("NV12", "mmap"), ("NV12M", "expbuf")])
def test_a_held_frame_outlives_the_camera_and_keeps_none_of_it(format: str, mode: str) -> None:
    with open_pattern(format, mode) as source:
        held = source.read()
        assert held is not None
        before = held.pixels.copy()
        assert any("/dev/video" in line or "/dmabuf" in line for line in mappings())
    assert not any("/dev/video" in line or "/dmabuf" in line for line in mappings())
    np.testing.assert_array_equal(held.pixels, before)
    check_colours(held, format)
    held.release()
