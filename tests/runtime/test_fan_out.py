"""Sinks that are slow, hang or fail lose their own frames and nobody else's."""

from __future__ import annotations

import threading
import time
import tracemalloc

import numpy as np
import pytest

from roadseg.runtime.errors import RoadsegError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.result import Result
from roadseg.runtime.sinks import FanOut, Pace, Sink, fan_out
from roadseg.runtime.sinks.copies import Copies
from roadseg.runtime.sinks.lane import QUEUE
from roadseg.runtime.sinks.painter import to_bgr

FULL_DISK = OSError(28, "No space left on device")


def result(number: int, width: int = 96, height: int = 64) -> Result:
    """A result all of whose bytes are its number."""
    pixels = np.full((height, width, 3), number % 256, np.uint8)
    mask = np.full((height, width), number % 256, np.uint8)
    return Result(Frame(pixels, PixelFormat.BGR, 0, number, f"{number:06d}"), mask, {}, 0)


class Recorder(Sink):
    """Keeps the sequence of what it gets; may wait at a gate, and fail at a frame.

    A frame whose bytes are not its own is kept as -1.
    """

    def __init__(self, name: str = "recorder", fails_at: int = -1, pace: Pace = Pace.EVERY) -> None:
        self.name, self.fails_at, self.pace = name, fails_at, pace
        self.gate, self.started = threading.Event(), threading.Event()
        self.gate.set()
        self.got: list[int] = []
        self.closed = 0
        self.wanted = True

    def wants(self) -> bool:
        return self.wanted

    def write(self, result: Result) -> None:
        self.started.set()
        assert self.gate.wait(60)
        if result.frame.sequence == self.fails_at:
            raise FULL_DISK
        number = result.frame.sequence
        own = (result.mask == number % 256).all() and (result.frame.pixels == number % 256).all()
        self.got.append(number if own else -1)

    def close(self) -> str:
        self.closed += 1
        return f"{self.name}, {len(self.got)}"


def test_a_file_reaches_every_sink_in_full() -> None:
    sinks = [Recorder("a"), Recorder("b")]
    fan = FanOut(sinks, live=False)
    for number in range(300):
        fan.write(result(number))
    assert fan.close() == ["wrote a, 300", "wrote b, 300"]
    assert sinks[0].got == sinks[1].got == list(range(300))
    assert fan.copies.made == 0


def test_a_sink_that_hangs_stops_neither_the_run_nor_the_others() -> None:
    stuck, window = Recorder("stuck"), Recorder("window", pace=Pace.AT_ONCE)
    stuck.gate.clear()
    fan = FanOut([stuck, window], live=True)
    fan.write(result(0))
    assert stuck.started.wait(60)
    for number in range(1, 100):
        fan.write(result(number))
    assert window.got == list(range(100))
    stuck.gate.set()
    assert fan.close() == [
        f"wrote stuck, {1 + QUEUE}",
        "wrote window, 100",
        f"stuck lost {99 - QUEUE} of 100 frames",
    ]
    assert stuck.got == list(range(1 + QUEUE)), "copies keep their frame's own bytes"
    assert not fan.failed


def test_a_sink_that_never_returns_is_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fan_out, "CLOSE_S", 0.1)
    told: list[str] = []
    stuck = Recorder("stuck")
    stuck.gate.clear()
    fan = FanOut([stuck, Recorder("other")], live=True, tell=told.append)
    fan.write(result(0))
    assert stuck.started.wait(60)
    fan.write(result(1))
    assert fan.close() == ["wrote other, 2", "stuck lost 1 of 1 frames"]
    assert told == ["stuck: does not answer; it was left behind"]
    assert fan.failed
    stuck.gate.set()


@pytest.mark.parametrize("pace", [Pace.EVERY, Pace.AT_ONCE])
def test_a_sink_that_fails_live_is_closed_and_told_of_once(pace: Pace) -> None:
    told: list[str] = []
    failing, other = Recorder("video", fails_at=2, pace=pace), Recorder("other", pace=Pace.AT_ONCE)
    fan = FanOut([failing, other], live=True, tell=told.append)
    for number in range(50):
        fan.write(result(number))
        while number < 4 and len(failing.got) < min(number + 1, 2):
            time.sleep(0.001)
    fan.close()
    assert told == ["video failed and is closed, the others go on: No space left on device"]
    assert (failing.got, failing.closed) == ([0, 1], 1)
    assert (fan.tallies[0].written, fan.tallies[0].lost) == (2, 48)
    assert other.got == list(range(50))
    assert fan.failed


def test_a_sink_that_fails_on_a_file_ends_the_run() -> None:
    fan = FanOut([Recorder(fails_at=3), Recorder()], live=False)
    with pytest.raises(OSError, match="No space left"):
        for number in range(10):
            fan.write(result(number))


def test_a_live_run_ends_when_no_sink_is_left() -> None:
    fan = FanOut([Recorder(fails_at=0)], live=True, tell=lambda line: None)
    with pytest.raises(RoadsegError, match="no sink is left"):
        for number in range(100_000):
            fan.write(result(number, 8, 8))


def test_an_end_that_fails_is_told_of_and_the_others_end_too() -> None:
    class Bad(Recorder):
        def close(self) -> str:
            raise RoadsegError("3 of 20 frames could be written (disk full?)")

    told: list[str] = []
    for live in (False, True):
        fan = FanOut([Bad("video"), Recorder("other")], live, told.append)
        assert fan.close() == ["wrote other, 0"]
        assert fan.failed
    assert told == ["video: 3 of 20 frames could be written (disk full?)"] * 2


def test_a_sink_that_wants_nothing_costs_no_copy_and_loses_nothing() -> None:
    spare = Recorder("web", pace=Pace.SPARE)
    spare.wanted = False
    fan = FanOut([spare], live=False)
    for number in range(10):
        fan.write(result(number))
    fan.close()
    assert (fan.copies.made, spare.got, fan.tallies[0].lost) == (0, [], 0)


def test_copies_are_shared_and_nothing_of_image_size_is_allocated_per_frame() -> None:
    copies = Copies()
    given = [result(number, 640, 480) for number in range(20)]
    for one in given[:3]:
        copy = copies.copy(one, holders=2, pixels=True)
        copy.frame.release()
        copy.frame.release()
    tracemalloc.start()
    try:
        for one in given:
            copy = copies.copy(one, holders=2, pixels=True)
            assert copy.mask[0, 0] == copy.frame.pixels[-1, -1, -1] == one.frame.sequence
            copy.frame.release()
            held = copies.copy(one, holders=1, pixels=True)
            assert held.mask is not copy.mask, "one holder is left: its copy must stay"
            held.frame.release()
            copy.frame.release()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * (640 * 480 * 4)  # the second set of buffers, once


def test_a_copy_of_the_mask_alone_knows_the_frames_size() -> None:
    copy = Copies().copy(result(3), holders=1, pixels=False)
    assert (copy.frame.width, copy.frame.height, copy.frame.name) == (96, 64, "000003")
    assert (copy.mask == 3).all()


def test_chroma_in_a_buffer_of_its_own_is_copied_too() -> None:
    luma, chroma = np.full((64, 96), 5, np.uint8), np.full((32, 96), 9, np.uint8)
    frame = Frame(luma, PixelFormat.NV12M, 0, 0, "", chroma=chroma)
    given = Result(frame, np.zeros((64, 96), np.uint8), {}, 0)
    copies = Copies()
    copy = copies.copy(given, holders=1, pixels=True)
    luma[:] = chroma[:] = 0  # the camera fills its buffer again
    assert (copy.frame.pixels == 5).all()
    assert copy.frame.chroma is not None
    assert (copy.frame.chroma == 9).all()
    assert copies.copy(given, holders=1, pixels=False).frame.chroma is None


@pytest.mark.parametrize("padding", [0, 4, 20])
def test_padded_yu12_keeps_its_colours(padding: int) -> None:
    """Its rows of chroma lie at half the row stride."""
    rows = np.random.default_rng(0).integers(0, 256, (12, 12 + padding), np.uint8)
    frame = Frame(rows[:, :12], PixelFormat.YU12, 0, 0)
    given = Result(frame, np.zeros((8, 12), np.uint8), {}, 0)
    copy = Copies().copy(given, holders=1, pixels=True)
    assert copy.frame.pixels.flags.c_contiguous
    np.testing.assert_array_equal(to_bgr(copy.frame), to_bgr(frame))
