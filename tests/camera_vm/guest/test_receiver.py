"""A receiver of HDMI, vivid's as test_in_vm.py loads it: its signal changes, goes and returns."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from vivid import PATIENT, SINGLE, set_control

from roadseg.runtime.errors import SourceLost
from roadseg.runtime.options import Size
from roadseg.runtime.outages import Outages, SourceState, SourceStatus
from roadseg.runtime.sources.reconnecting import open_reconnecting
from roadseg.runtime.sources.survival import Survival
from roadseg.runtime.sources.v4l2.options import V4l2Options
from roadseg.runtime.sources.v4l2.source import V4l2Source, open_camera

# Of vivid's menus "DV Timings" and "DV Timings Signal Mode".
VGA, PAL = 0, 4  # 640x480p59, 720x576p50
NO_SIGNAL, SELECTED = 1, 4
OPTIONS = V4l2Options(**PATIENT)  # type: ignore[arg-type]
QUERY = "&".join(f"{key}={value}" for key, value in PATIENT.items())


def receive(timings: int) -> None:
    """Another signal comes in."""
    set_control(SINGLE, "dv_timings", timings)
    set_control(SINGLE, "dv_timings_signal_mode", SELECTED)


def size(source: V4l2Source) -> tuple[int, int]:
    frame = source.read()
    assert frame is not None
    frame.release()
    return frame.width, frame.height


@pytest.fixture(autouse=True)
def vga() -> Iterator[None]:
    receive(VGA)
    yield
    receive(VGA)


def test_what_comes_in_decides_the_size() -> None:
    with open_camera(SINGLE, V4l2Options(Size(1280, 720), **PATIENT)) as source:  # type: ignore[arg-type]
        assert size(source) == (640, 480)
        assert "the nearest to 1280x720" in source.info.detail
    receive(PAL)
    with open_camera(SINGLE, OPTIONS) as source:
        assert size(source) == (720, 576)
        assert source.info.fps == 50


def test_another_signal_ends_the_stream() -> None:
    with open_camera(SINGLE, OPTIONS) as source:
        size(source)
        receive(PAL)
        with pytest.raises(SourceLost, match=f"{SINGLE} gets another signal"):
            for _ in range(100):
                size(source)


def test_the_same_signal_again_is_no_change() -> None:
    with open_camera(SINGLE, OPTIONS) as source:
        size(source)
        set_control(SINGLE, "dv_timings_signal_mode", 0)  # what is set is what comes in
        assert [size(source) for _ in range(3)] == [(640, 480)] * 3


def test_a_receiver_without_a_signal_says_so() -> None:
    set_control(SINGLE, "dv_timings_signal_mode", NO_SIGNAL)
    with pytest.raises(SourceLost, match=f"{SINGLE} gets no signal"):
        open_camera(SINGLE, OPTIONS)


def test_a_run_follows_the_signal() -> None:
    """Frames of both sizes come, numbers go on, and the time between is told as an outage."""
    told: list[SourceStatus] = []
    outages = Outages()
    survival = Survival(30.0, 60.0, 60.0, False)
    with open_reconnecting(f"v4l2://{SINGLE}?{QUERY}", survival, outages, told.append) as source:
        sizes, numbers = [], []
        threading.Timer(2.0, receive, [PAL]).start()
        give_up = time.monotonic() + 90
        while sizes[-3:] != [(720, 576)] * 3:
            assert time.monotonic() < give_up, told
            frame = source.read()
            assert frame is not None
            sizes.append((frame.width, frame.height))
            numbers.append(frame.sequence)
            frame.release()
    assert sizes[0] == (640, 480)
    assert numbers == sorted(set(numbers))
    assert outages.count == 1
    assert any(one.state is SourceState.LOST and "another signal" in one.reason for one in told)
    assert any("frames are now 720x576" in one.reason for one in told)
    assert source.info.width == 720
