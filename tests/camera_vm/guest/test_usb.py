"""A USB webcam (software, driven by the real uvcvideo): formats, unplugging, freezing, damage."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from vivid import PATIENT, mappings, wait_for

from roadseg.runtime.errors import CorruptFrame, SourceError, SourceLost, SourceStalled
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.preprocess import preprocess
from roadseg.runtime.sources import Source, open_source
from roadseg.runtime.sources.v4l2.cameras import list_cameras, resolve

NAME = "Soft_Camera"
BY_ID = Path("/dev/v4l/by-id/usb-roadseg_Soft_Camera_0001-video-index0")
ROUNDS = int(os.environ.get("ROUNDS", "3"))
BARS = [(255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0)]
BARS += [(255, 0, 255), (255, 0, 0), (0, 0, 255), (0, 0, 0)]


class Cable:
    """Gives commands to the camera's process."""

    def __init__(self) -> None:
        script = Path(__file__).parents[1] / "usb_camera.py"
        self.process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.say("plug")
        wait_for(BY_ID.exists)

    def say(self, command: str) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n"

    def end(self) -> None:
        self.process.communicate("quit\n", timeout=10)


@pytest.fixture(scope="session")
def cable() -> Iterator[Cable]:
    """Plugged in to the end: the contract of all sources is run on it too."""
    made = Cable()
    yield made
    made.end()


def open_usb(query: str = "format=YUYV&size=640x360&fps=15") -> Source:
    """Open it, patiently unless the query has limits of its own."""
    limits = [f"{key}={value}" for key, value in PATIENT.items() if f"&{key}=" not in query]
    return open_source(f"camera:{NAME}?{'&'.join([query, *limits])}")


def take(source: Source, count: int) -> list[Frame]:
    frames = []
    while len(frames) < count:
        frame = source.read()
        assert frame is not None
        frame.release()
        frames.append(frame)
    return frames


@pytest.mark.parametrize("format", ["YUYV", "NV12", "MJPG"])
def test_the_bars(cable: Cable, format: str) -> None:
    with open_usb(f"format={format}&size=640x360&fps=15") as source:
        assert f"Soft Camera: {format} 640x360 at 15 FPS" in source.info.detail
        frame = source.read()
        assert frame is not None
        rgb = preprocess(frame, np.empty((360, 640, 3), np.uint8)).astype(int)
        assert np.abs(rgb[300::20, 40::80] - BARS).max() <= 3
        if format == "MJPG":
            assert source.info.copy_reason == "MJPG is decoded"
            assert frame.format is PixelFormat.BGR
        else:
            assert "no user-space copy (USB: one inside the kernel)" in source.info.detail


def test_it_is_found_by_its_names(cable: Cable) -> None:
    assert resolve(NAME) == resolve(BY_ID.name) == str(BY_ID)
    camera = next(one for one in list_cameras() if one.card.startswith("Soft"))
    assert str(BY_ID) in camera.names and any("by-path" in name for name in camera.names)
    text = "\n".join(camera.lines())
    assert "MJPG (decoded: a copy)" in text and "640x360 @ 30, 15, 5 FPS" in text
    metadata = BY_ID.with_name(BY_ID.name.replace("index0", "index1"))
    with pytest.raises(SourceError, match="is no capture device"):
        open_source(f"v4l2://{metadata}")


def test_unplugged_and_plugged_in_again(cable: Cable) -> None:
    node = BY_ID.resolve()
    for _ in range(ROUNDS):
        with open_usb() as source:
            held = source.read()
            take(source, 2)
            assert held is not None
            before = held.pixels.copy()
            cable.say("unplug")
            with pytest.raises(SourceLost, match="went away"):
                take(source, 100)
        np.testing.assert_array_equal(held.pixels, before)  # a view that outlives the camera
        assert not any("/dev/video" in line for line in mappings())
        wait_for(lambda: not BY_ID.exists())
        with pytest.raises(SourceError, match=f"no camera '{NAME}'"):
            open_usb()
        cable.say("plug")
        wait_for(BY_ID.exists)
        assert BY_ID.resolve() == node  # nothing kept its number
        with open_usb() as source:
            take(source, 2)


def test_frozen(cable: Cable) -> None:
    with open_usb("format=YUYV&size=640x360&fps=15&timeout=0.8") as source:
        take(source, 2)
        cable.say("freeze 4")
        with pytest.raises(SourceStalled, match=r"no frame and no error for 0\.8 s"):
            take(source, 100)
    with open_usb("format=YUYV&size=640x360&fps=15") as source:
        take(source, 2)


@pytest.mark.parametrize("damage", ["corrupt 3", "short 3"])
def test_damaged_jpegs(cable: Cable, damage: str) -> None:
    with open_usb("format=MJPG&size=640x360&fps=15") as source:
        take(source, 2)
        cable.say(damage)
        with pytest.raises(CorruptFrame, match=r"the JPEG is (damaged|cut short)"):
            take(source, 20)
        wait_until_whole(source)


def test_transfers_that_fail(cable: Cable) -> None:
    with open_usb() as source:
        take(source, 2)
        cable.say("error 3")
        with pytest.raises(CorruptFrame, match="a buffer came back empty"):
            take(source, 20)
        numbers = [frame.sequence for frame in wait_until_whole(source)]
        assert numbers == sorted(set(numbers))


def test_short_raw_frames_are_not_given(cable: Cable) -> None:
    with open_usb() as source:
        numbers = [frame.sequence for frame in take(source, 2)]
        cable.say("short 2")
        corrupt = 0
        while len(numbers) < 10:
            try:
                numbers += [frame.sequence for frame in take(source, 1)]
            except CorruptFrame:
                corrupt += 1
        assert corrupt or numbers[-1] - numbers[0] > len(numbers) - 1


def wait_until_whole(source: Source) -> list[Frame]:
    """Five frames in a row that are whole."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            return take(source, 5)
        except CorruptFrame:
            continue
    raise AssertionError("only damaged frames")


def test_a_device_that_stalls_does_not_hang_us(cable: Cable) -> None:
    """The last one: it takes a new plug to cure it."""
    cable.say("stall")
    with pytest.raises(SourceStalled, match="cannot be opened: no answer for 1 s"):
        open_usb("format=YUYV&open_timeout=1")
    cable.say("unplug")
    wait_for(lambda: not BY_ID.exists())
    cable.say("plug")
    wait_for(BY_ID.exists)
    with open_usb() as source:
        take(source, 2)
