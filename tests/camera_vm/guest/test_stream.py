"""Frames of the kernel: numbers, times, buffers that go round, and the faults a driver can have."""

from __future__ import annotations

import dataclasses
import itertools
import os
import platform
import random
import signal
import threading
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from vivid import FAULTY, MULTI, OUTPUT, PATIENT, SINGLE, SMALL, bind, set_control, unbind, wait_for

from roadseg.runtime import _v4l2
from roadseg.runtime.cli import main
from roadseg.runtime.errors import (
    CorruptFrame,
    SourceError,
    SourceLost,
    SourceStalled,
    UsageError,
)
from roadseg.runtime.frame import Frame
from roadseg.runtime.pipeline import Pipeline
from roadseg.runtime.segmenter import Segmented
from roadseg.runtime.sources import open_source
from roadseg.runtime.sources.v4l2.cameras import list_cameras, resolve
from roadseg.runtime.sources.v4l2.source import V4l2Source, open_camera

QUERY = "&".join(f"{key}={value}" for key, value in PATIENT.items())
FIELDS = ("index", "loan", "timestamp_ns", "error", "bytes")  # of a filled buffer
ROUNDS = int(os.environ.get("ROUNDS", "3"))  # of what is done again and again
FAST = not platform.release().startswith("6.1.")  # vivid has a higher rate at each size in 6.12


def take(source: V4l2Source, count: int) -> list[Frame]:
    """Frames whose buffers were given back: their numbers and times."""
    frames = list(itertools.islice(iter(source.read, None), count))
    for frame in frames:
        frame.release()
    return frames


def streams(node: str = SINGLE) -> None:
    with open_camera(node, SMALL) as source:
        assert len(take(source, 3)) == 3


def test_times_are_the_kernels() -> None:
    before = time.monotonic_ns()
    with open_camera(SINGLE, dataclasses.replace(SMALL, fps=30)) as source:
        frames = take(source, 6)
    times = [before, *(frame.timestamp_ns for frame in frames)]
    assert times == sorted(times)
    assert times[-1] < time.monotonic_ns() + 40_000_000  # vivid's are of the end of a frame's time
    assert all(frame.timestamp_ns % 1000 == 0 for frame in frames)  # a struct timeval


def test_buffers_go_round_and_an_old_release_does_nothing() -> None:
    with open_camera(SINGLE, dataclasses.replace(SMALL, buffers=2)) as source:
        first = source.read()
        assert first is not None
        first.release()
        places = {first.pixels.ctypes.data}
        for _ in range(6):
            frame = source.read()
            assert frame is not None
            first.release()
            places.add(frame.pixels.ctypes.data)
            before = frame.pixels.copy()
            frame.release()
        assert len(places) == 2
        held = source.read()
        assert held is not None
        first.release()
        before = held.pixels.copy()
        take_while_held(source, 4)
        np.testing.assert_array_equal(held.pixels, before)


def take_while_held(source: V4l2Source, count: int) -> None:
    for _ in range(count):
        frame = source.read()
        assert frame is not None
        frame.release()


def test_frames_that_no_buffer_was_free_for_are_a_gap() -> None:
    with open_camera(SINGLE, dataclasses.replace(SMALL, buffers=2, timeout=0.2)) as source:
        held = [source.read(), source.read()]
        threading.Timer(0.8, lambda: [frame.release() for frame in held if frame]).start()
        late = source.read()  # waits for longer than the timeout: the camera is not to blame
        assert late is not None and held[1] is not None
        assert late.sequence - held[1].sequence > 5


def test_a_read_that_waits_ends_when_it_is_cancelled() -> None:
    with open_camera(SINGLE, dataclasses.replace(SMALL, buffers=2)) as source:
        held = [source.read(), source.read()]
        threading.Timer(0.3, source.cancel).start()
        assert source.read() is None
        assert all(held)


class Recorder:
    """A camera that keeps the numbers of what it gave."""

    def __init__(self, source: V4l2Source) -> None:
        self.source, self.info = source, source.info
        self.numbers: list[int] = []
        self.corrupt = 0

    def read(self) -> Frame | None:
        try:
            frame = self.source.read()
        except CorruptFrame:
            self.corrupt += 1
            raise
        if frame is not None:
            self.numbers.append(frame.sequence)
        return frame

    def cancel(self) -> None:
        self.source.cancel()


def segment(frame: Frame, mask: NDArray[np.uint8]) -> Segmented:
    mask[:] = 0
    return Segmented(mask, np.zeros((2, 1, 1), np.float32), {})


def test_no_number_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vivid gives one again now and then, after a frame that it was slow to fill; here always."""
    with open_camera(SINGLE, SMALL) as source:
        wait, count = source._wait, itertools.count()

        def repeat() -> SimpleNamespace:
            filled = wait()
            same = {name: getattr(filled, name) for name in FIELDS}
            return SimpleNamespace(**same, sequence=next(count) // 2)

        monkeypatch.setattr(source, "_wait", repeat)
        assert [frame.sequence for frame in take(source, 6)] == list(range(6))


def test_gaps_of_the_driver_are_the_ledgers() -> None:
    set_control(FAULTY, "percentage_of_dropped_buffers", 30)
    with open_camera(FAULTY, SMALL) as source:
        recorder = Recorder(source)
        pipeline = Pipeline(recorder, segment, limit=40)
        for number, _ in enumerate(pipeline.results()):
            if number in (10, 20):
                set_control(FAULTY, "inject_v4l2_buf_flag_error")
    set_control(FAULTY, "percentage_of_dropped_buffers", 0)
    ledger, numbers = pipeline.ledger, recorder.numbers
    assert ledger.balances and ledger.shown == 40 and ledger.copies == 0
    assert ledger.corrupt == recorder.corrupt == 2
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    assert ledger.dropped == missing - recorder.corrupt > 0
    assert ledger.captured == numbers[-1] - numbers[0] + 1


def test_a_buffer_with_an_error_is_corrupt_and_the_next_is_whole() -> None:
    with open_camera(FAULTY, SMALL) as source:
        take(source, 2)
        set_control(FAULTY, "inject_v4l2_buf_flag_error")
        with pytest.raises(CorruptFrame, match=r"frame \d+ is damaged, says the driver"):
            take(source, 20)
        assert len(take(source, 3)) == 3


def test_a_buffer_that_the_driver_does_not_take_once_is_not_lost() -> None:
    with open_camera(FAULTY, dataclasses.replace(SMALL, buffers=2)) as source:
        for _ in range(4):  # more often than there are buffers
            set_control(FAULTY, "inject_vidioc_qbuf_error")
            assert len(take(source, 2) + take(source, 2)) == 4


@pytest.mark.parametrize("name", ["inject_vidioc_reqbufs_error", "inject_vidioc_streamon_error"])
def test_opening_that_fails_leaves_the_camera_usable(name: str) -> None:
    set_control(FAULTY, name)
    with pytest.raises(SourceError, match=FAULTY):
        open_camera(FAULTY, SMALL)
    streams(FAULTY)


def test_a_fatal_error_and_opening_again() -> None:
    with open_camera(FAULTY, SMALL) as source:
        take(source, 2)
        set_control(FAULTY, "inject_fatal_streaming_error")
        with pytest.raises(SourceError, match="failed while streaming") as fault:
            take(source, 50)
        assert not isinstance(fault.value, SourceLost)
    streams(FAULTY)


def test_disconnected() -> None:
    with open_camera(FAULTY, SMALL) as source:
        take(source, 2)
        set_control(FAULTY, "disconnect")
        with pytest.raises(SourceLost, match=f"{FAULTY} went away"):
            take(source, 50)
        with pytest.raises(SourceLost):
            open_camera(FAULTY, SMALL)
    streams(FAULTY)  # vivid plugs itself in again when its last user is gone


def test_unbound_and_bound_again() -> None:
    for _ in range(ROUNDS):
        with open_camera(SINGLE, SMALL) as source:
            held = source.read()
            threading.Timer(random.uniform(0, 0.1), unbind).start()
            with pytest.raises(SourceLost):
                take(source, 1000)
            assert held is not None and held.pixels.any()
        wait_for(lambda: not os.path.exists(SINGLE))
        bind()
        held.release()
        streams()


def test_a_process_that_is_killed_leaves_the_camera_usable() -> None:
    for _ in range(ROUNDS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside other threads
            child = os.fork()
        if not child:
            with open_camera(SINGLE, SMALL) as source:
                while take(source, 1):
                    pass
        time.sleep(random.uniform(0, 0.4))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        streams()


def test_a_camera_in_use() -> None:
    with (
        open_camera(SINGLE, SMALL) as source,
        pytest.raises(SourceError, match=f"{SINGLE} is in use by another program"),
    ):
        open_camera(SINGLE, SMALL)
    assert source.read() is None


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (f"v4l2://{OUTPUT}", r"\('vivid'\) is no capture device"),
        ("v4l2:///dev/zero", "/dev/zero is no camera"),
        ("camera:77", "no camera /dev/video77 .*cameras here: /dev/video0, /dev/video1"),
        ("camera:0?mode=dmabuf", "needs /dev/dma_heap/system"),
    ],
)
def test_what_is_no_camera(uri: str, message: str) -> None:
    if "dmabuf" in uri and os.path.exists("/dev/dma_heap/system"):
        pytest.skip("this kernel has a dma-buf heap")
    with pytest.raises(SourceError, match=message):
        open_source(uri)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("size=640x360&fps=30&format=yuyv", "YUYV 640x360 at 30 FPS, 8 buffers (mmap), no"),
        (
            "format=MJPG&size=320x180",
            "NV12 320x180 at 30 FPS, 8 buffers (mmap), the nearest to MJPG",
        ),
        ("size=700x400&fps=29.97", "640x360 at 30 FPS, 8 buffers (mmap), the nearest to 700x400"),
        (
            "size=1280x720&fps=120",
            f"1280x720 at {60 if FAST else 12.5} FPS, 8 buffers (mmap), the nearest to 120 FPS",
        ),
        ("", f"{'1280x720' if FAST else '640x360'} at 30 FPS"),
        ("size=320x180&fps=500&buffers=3", f"320x180 at {120 if FAST else 60} FPS, 3 buffers"),
    ],
)
def test_the_nearest_is_told(query: str, told: str) -> None:
    with open_source(f"camera:0?{query}&{QUERY}") as source:
        assert told in source.info.detail
        assert source.info.uri == f"v4l2://{SINGLE}"
        frame = source.read()
        assert frame is not None
        assert (frame.width, frame.height) == (source.info.width, source.info.height)


def test_controls() -> None:
    options = dataclasses.replace(SMALL, gain="77", controls="brightness:99,contrast:40")
    open_camera(SINGLE, options).close()
    device = _v4l2.Device(SINGLE)
    values = {control.name: device.control(control.id) for control in device.controls()[:9]}
    assert (values["gain_automatic"], values["brightness"], values["contrast"]) == (0, 99, 40)
    open_camera(SINGLE, dataclasses.replace(options, gain="auto")).close()
    assert device.control(next(c.id for c in device.controls() if c.name == "gain_automatic")) == 1
    device.close()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("controls=sharpness:3", "no control 'sharpness': it has brightness, contrast"),
        ("exposure=10", "no control 'exposure_time_absolute'"),
        ("gain=loud", "'gain' is 'loud', which is neither auto nor a number"),
        ("controls=contrast:999", "'contrast' goes from 0 to 255, not to 999"),
    ],
)
def test_controls_that_cannot_be(query: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(f"camera:0?{query}&{QUERY}")
    streams()


def test_cameras_are_listed_by_names_that_stay() -> None:
    cameras = {camera.node: camera for camera in list_cameras()}
    assert list(cameras) == [SINGLE, MULTI, FAULTY]
    text = "\n".join(cameras[SINGLE].lines())
    assert "/dev/video0  vivid (vivid)" in text
    assert "NV12" in text and "640x360 @ 1, 2, 4, 5, 10, 12.5, 15, 25, 30, 40" in text
    assert "NV12M" in "\n".join(cameras[MULTI].lines())
    with pytest.raises(UsageError, match="several cameras are called 'vivid'"):
        resolve("vivid")
    assert resolve("1") == MULTI


def test_seg_run_from_a_camera(capfd: pytest.CaptureFixture[str]) -> None:
    uri = f"camera:0?size=320x180&fps=30&{QUERY}"
    assert main([os.environ["MODEL"], uri, "--frames", "5"]) == 0
    told = capfd.readouterr().out
    assert "vivid: NV12 320x180 at 30 FPS" in told and "no user-space copy" in told
    assert "= shown 5 + sensor drops" in told and "copies 0" in told


@pytest.mark.parametrize(
    ("camera", "line"),
    [("77", "no camera"), (OUTPUT, "no capture device"), ("/dev/zero", "is no camera")],
)
def test_seg_run_says_in_one_line_what_is_no_camera(
    camera: str, line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([os.environ["MODEL"], "--camera", camera, "--fail-fast"]) == 3
    told = capfd.readouterr().err
    assert line in told and told.count("\n") == 1


def test_seg_run_lists_cameras(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-cameras"]) == 0
    assert f"{MULTI}  vivid (vivid)" in capfd.readouterr().out


def test_a_stall_has_its_own_error() -> None:
    # vivid never stalls; a rate below the timeout looks the same.
    options = dataclasses.replace(SMALL, fps=1, timeout=0.2)
    with open_camera(SINGLE, options) as source, pytest.raises(SourceStalled, match=r"for 0\.2 s"):
        take(source, 3)
