"""A live source comes back, whatever took it away; nothing is invented while it is gone."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from roadseg.runtime.errors import (
    CorruptFrame,
    SourceError,
    SourceLost,
    SourceStalled,
    UsageError,
)
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.outages import SourceState, SourceStatus
from roadseg.runtime.sources import is_live
from roadseg.runtime.sources.base import OpenSource, Source, SourceInfo
from roadseg.runtime.sources.reconnecting import ReconnectingSource, open_reconnecting
from roadseg.runtime.sources.survival import Survival

QUICK = Survival(stall_s=0.2, open_s=0.5, first_delay_s=0.01, longest_delay_s=0.05, seed=0)
RENDERED = replace(QUICK, open_s=60.0)  # a busy machine renders for a while before the first frame
FAIL_FAST = Survival(stall_s=0.2, open_s=0.5, fail_fast=True)


class Script(OpenSource):
    """A camera that does as it is told: a number is a frame, an error is raised, "hang" hangs.

    What is cancelled does not wake it: only `wake` does, as with a driver that hangs.
    """

    def __init__(self, *steps: int | Exception | str, size: tuple[int, int] = (4, 2)) -> None:
        self.info = SourceInfo("script:", *size, fps=30.0, frames=None, live=True)
        self.steps = iter(steps)
        self.wake, self.closed = threading.Event(), threading.Event()

    def read(self) -> Frame | None:
        step = next(self.steps, None)
        if step == "hang":
            self.wake.wait()
            return None
        if isinstance(step, Exception):
            raise step
        if step is None:
            return None
        pixels = np.zeros((self.info.height, self.info.width, 3), np.uint8)
        return Frame(pixels, PixelFormat.BGR, time.monotonic_ns(), int(step), str(step))

    def close(self) -> None:
        self.closed.set()


def one_after_another(*connections: Source | Exception) -> Callable[[], Source]:
    """Return an opener that gives these, or raises them, in turn."""
    left: Iterator[Source | Exception] = iter(connections)

    def opener() -> Source:
        step = next(left)
        if isinstance(step, Exception):
            raise step
        return step

    return opener


def lost(text: str = "unplugged") -> SourceLost:
    return SourceLost(text)


def test_numbers_go_on_and_gaps_within_a_connection_stay() -> None:
    opener = one_after_another(
        Script(7, 8, 11, lost()),  # the sensor dropped 9 and 10
        Script(0, 1, CorruptFrame("damaged"), 3, lost()),
        Script(CorruptFrame("damaged"), 1, None),
    )
    numbers: list[int | str] = []
    connections = []
    with ReconnectingSource(opener, QUICK) as source:
        while True:
            try:
                frame = source.read()
            except CorruptFrame:
                numbers.append("corrupt")
                continue
            if frame is None:
                break
            assert frame.name == f"{frame.sequence:06d}"
            numbers.append(frame.sequence)
            connections.append(frame.connection)
    assert numbers == [0, 1, 4, 5, 6, "corrupt", 8, "corrupt", 10]
    assert connections == [0, 0, 0, 1, 1, 1, 2]
    assert source.outages.count == 2


def test_what_never_was_there_is_not_waited_for_without_end() -> None:
    missing = itertools.repeat(SourceError("there is no camera"))
    patient = replace(QUICK, start_s=0.2)
    with pytest.raises(SourceError, match="there is no camera"):
        ReconnectingSource(one_after_another(*itertools.islice(missing, 1000)), patient)
    source = ReconnectingSource(
        one_after_another(Script(0, SourceLost("gone")), *[SourceError("away")] * 20, Script(1)),
        replace(patient, start_s=0.01),
    )
    assert [frame.sequence for _ in range(2) if (frame := source.read())] == [0, 1]
    source.close()


def test_what_is_not_there_yet_is_waited_for() -> None:
    told: list[SourceStatus] = []
    opener = one_after_another(lost("no camera"), lost("no camera"), Script(0, None))
    with ReconnectingSource(opener, QUICK, listener=told.append) as source:
        assert source.read() is not None
    news = [status for status in told if status.changed]
    assert [status.state for status in news] == [SourceState.CONNECTING, SourceState.LIVE]
    assert news[0].reason == "no camera"
    assert news[1].reason.startswith("there after 0.")
    assert max(status.attempts for status in told) == 2 or len(told) < 3
    assert source.outages.count == 0


def test_a_loss_and_its_return_are_told_and_measured() -> None:
    told: list[SourceStatus] = []
    opener = one_after_another(Script(0, lost()), lost("away"), Script(0, None))
    with ReconnectingSource(opener, QUICK, listener=told.append) as source:
        assert source.state is SourceState.CONNECTING
        list(iter(source.read, None))
        assert source.state is SourceState.LIVE
    states = [status.state for status in told if status.changed]
    assert states == [SourceState.LIVE, SourceState.LOST, SourceState.LOST, SourceState.LIVE]
    assert told[-1].reason.startswith("back after 0.")
    outages = source.outages
    assert outages.count == 1
    assert 0 < outages.first_frame_ns
    assert 0 < outages.down_ns == outages.longest_ns
    assert "reconnects 1, down" in outages.line()


def test_a_read_that_hangs_is_left_behind_and_closed_when_it_wakes() -> None:
    frozen = Script(0, "hang")
    with ReconnectingSource(one_after_another(frozen, Script(0, None)), QUICK) as source:
        assert source.read() is not None
        again = source.read()
        assert again is not None and again.sequence == 1
        assert not frozen.closed.is_set()
        frozen.wake.set()
        assert frozen.closed.wait(10)


def test_an_opening_that_hangs_is_left_behind() -> None:
    wake, tried = threading.Event(), itertools.count()

    def opener() -> Source:
        if next(tried) == 0:
            wake.wait()
            raise SourceError("woken too late")
        return Script(0, None)

    with ReconnectingSource(opener, QUICK) as source:
        assert source.read() is not None
    wake.set()


def test_only_damaged_frames_are_a_stall() -> None:
    class Damaged(Script):
        def read(self) -> Frame | None:
            raise CorruptFrame("damaged")

    source = ReconnectingSource(one_after_another(Damaged()), FAIL_FAST)
    with source, pytest.raises(SourceStalled, match="no whole frame"):
        for _ in range(200):
            try:
                source.read()
            except CorruptFrame:
                time.sleep(0.02)  # so that there is always one that waits


@pytest.mark.parametrize(
    ("step", "error"), [(lost(), SourceLost), ("hang", SourceStalled)], ids=["lost", "stalled"]
)
def test_fail_fast_raises_the_first_fault(step: Exception | str, error: type[Exception]) -> None:
    script = Script(0, step)
    with ReconnectingSource(one_after_another(script), FAIL_FAST) as source:
        assert source.read() is not None
        with pytest.raises(error):
            source.read()
        script.wake.set()
    with pytest.raises(SourceLost):
        ReconnectingSource(one_after_another(lost()), FAIL_FAST)


def test_wrong_use_ends_it() -> None:
    opener = one_after_another(Script(0, lost()), UsageError("password refused"))
    with ReconnectingSource(opener, QUICK) as source:
        source.read()
        with pytest.raises(UsageError, match="password refused"):
            source.read()


def test_cancel_ends_the_waiting() -> None:
    def opener(connections: Iterator[Script] = iter([Script(0, lost())])) -> Source:  # noqa: B008
        for connection in connections:
            return connection
        raise lost("away for good")

    with ReconnectingSource(opener, QUICK) as source:
        assert source.read() is not None
        threading.Timer(0.3, source.cancel).start()
        assert source.read() is None
        assert source.read() is None


def test_a_device_is_found_again_by_the_name_that_it_keeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def open_camera(uri: str, _: object) -> Source:
        asked.append(uri)
        script = Script(0, lost() if len(asked) == 1 else None)
        script.info = replace(script.info, stable_uri="camera:usb-road-cam")
        return script

    monkeypatch.setattr("roadseg.runtime.sources.reconnecting.open_source", open_camera)
    with open_reconnecting("camera:0", QUICK) as source:
        assert len(list(iter(source.read, None))) == 2
    assert asked == ["camera:0", "camera:usb-road-cam"]


def test_another_size_is_told() -> None:
    told: list[SourceStatus] = []
    opener = one_after_another(Script(0, lost()), Script(0, None, size=(8, 6)))
    with ReconnectingSource(opener, QUICK, listener=told.append) as source:
        sizes = [(frame.width, frame.height) for frame in iter(source.read, None)]
        assert sizes == [(4, 2), (8, 6)]
        assert (source.info.width, source.info.height) == (8, 6)
    assert "frames are now 8x6 BGR" in [status.reason for status in told if status.changed]


def test_delays_double_with_jitter_up_to_a_limit() -> None:
    survival = Survival(first_delay_s=1.0, longest_delay_s=8.0, seed=4)
    delays = list(itertools.islice(survival.delays(), 6))
    for delay, whole in zip(delays, [1, 2, 4, 8, 8, 8], strict=True):
        assert whole / 2 <= delay <= whole
    assert delays == list(itertools.islice(survival.delays(), 6))
    assert len({delay / whole for delay, whole in zip(delays[3:], [8] * 3, strict=True)}) == 3


@pytest.mark.parametrize(
    ("uri", "live"),
    [
        ("camera:0", True),
        ("rtsp://host/cam", True),
        ("gst:videotestsrc", True),
        ("synthetic:?live=1", True),
        ("synthetic:", False),
        ("road.mp4", False),
        ("udp", False),
    ],
)
def test_what_is_live(uri: str, live: bool) -> None:
    assert is_live(uri) is live
