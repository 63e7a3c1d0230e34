"""The seconds around an event, as files."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.runtime.cli import main
from roadseg.runtime.engines import open_engine
from roadseg.runtime.errors import RoadsegError, UsageError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.monitor import Monitor
from roadseg.runtime.pipeline import Pipeline
from roadseg.runtime.result import Result
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.service import Notifier, Request, Supervisor, Upkeep, listen
from roadseg.runtime.service import supervisor as supervisor_module
from roadseg.runtime.sinks import record as record_module
from roadseg.runtime.sinks.painter import Painter
from roadseg.runtime.sinks.record import RecordSink
from roadseg.runtime.sources import open_source
from roadseg.runtime.sources.base import SourceInfo
from roadseg.runtime.spec import ClassInfo

LIVE = SourceInfo("live", 96, 64, 10.0, None, live=True)
FILE = SourceInfo("file", 96, 64, 10.0, None, live=False)
CLASSES = (ClassInfo("road", (90, 60, 90), drivable=True), ClassInfo("sky", (70, 130, 180)))
START_S = 1000.0


def result(number: int, road: float = 0.5, size: tuple[int, int] = (64, 96)) -> Result:
    """A frame of ten a second, with a share of road."""
    mask = np.ones(size, np.uint8)
    mask[: round(size[0] * road)] = 0
    pixels = np.full((*size, 3), 100, np.uint8)
    taken = round((START_S + number / 10) * 1e9)
    return Result(Frame(pixels, PixelFormat.BGR, taken, number, f"{number:06d}"), mask, {}, 0)


def open_sink(folder: Path, below: float = 0.0, info: SourceInfo = LIVE) -> RecordSink:
    return RecordSink(folder, 3.0, below, info, Painter(CLASSES))


def frames(folder: Path) -> int:
    total = 0
    for path in sorted(folder.glob("*.mp4")):
        capture = cv2.VideoCapture(str(path))
        while capture.read()[0]:
            total += 1
        capture.release()
    return total


def test_as_many_events_as_fit_are_all_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "MOST_EVENTS", 5)
    for number in range(4):
        sink = open_sink(tmp_path)
        sink.write(result(0))
        sink.trigger(f"event{number}")
        sink.close()
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("info", [LIVE, FILE])
def test_the_seconds_before_and_after_are_kept(tmp_path: Path, info: SourceInfo) -> None:
    sink = open_sink(tmp_path, info=info)
    for number in range(100):
        sink.write(result(number))
        if number == 65:
            sink.trigger("asked")
    assert 30 <= frames(tmp_path / "ring") <= 50  # three seconds, and what is being added
    assert sink.close() == f"events {tmp_path}, 1"
    (event,) = tmp_path.iterdir()
    about = json.loads((event / "event.json").read_text())
    assert about["reason"] == "asked"
    assert event.name.endswith("-asked")
    assert 60 <= frames(event) <= 80
    assert len(list(event.glob("*.mp4"))) <= 9


def test_too_little_road_is_an_event_once_for_each_time(tmp_path: Path) -> None:
    sink = open_sink(tmp_path, below=0.2)
    for number in range(200):
        sink.write(
            result(number, road=0.1 if number in (*range(40, 60), *range(150, 155)) else 0.3)
        )
    sink.close()
    events = sorted(tmp_path.iterdir())
    assert len(events) == 2
    assert all(event.name.endswith("-drivable") for event in events)


def test_an_event_within_another_makes_it_longer(tmp_path: Path) -> None:
    sink = open_sink(tmp_path)
    for number in range(120):
        sink.write(result(number))
        if number in (40, 60):
            sink.trigger("asked")
    sink.close()
    (event,) = tmp_path.iterdir()
    assert 80 <= frames(event) <= 100


def test_frames_of_another_size_begin_a_segment(tmp_path: Path) -> None:
    sink = open_sink(tmp_path)
    for number in range(20):
        sink.write(result(number, size=(64, 96) if number < 13 else (32, 48)))
    sink.trigger("asked")
    sink.close()
    (event,) = tmp_path.iterdir()
    assert frames(event) == 20


def test_the_oldest_events_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "MOST_EVENTS", 2)
    (tmp_path / "mine").mkdir()
    for number in range(3):
        sink = open_sink(tmp_path)
        sink.write(result(0))
        sink.trigger(f"event{number}")
        sink.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name.partition("-")[2] for name in names] == ["event1", "event2", ""]
    assert names[2] == "mine"


def test_an_event_of_a_clock_that_is_behind_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "MOST_EVENTS", 2)
    for year in (2091, 2092):
        (tmp_path / f"{year}0101T000000.000Z-asked").mkdir()
    sink = open_sink(tmp_path)
    for number in range(40):
        sink.write(result(number))
        if number == 20:
            sink.trigger("asked")
    sink.close()
    events = sorted(tmp_path.iterdir())
    assert [event.name[:4] for event in events][1:] == ["2092"]
    assert frames(events[0]) == 40


def test_nothing_is_begun_once_it_has_ended(tmp_path: Path) -> None:
    sink = open_sink(tmp_path)
    sink.write(result(0))
    sink.close()
    sink.trigger("lost")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_links_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    sink = open_sink(tmp_path)
    for number in range(25):
        sink.write(result(number))
    sink.trigger("asked")
    sink.close()
    (event,) = tmp_path.iterdir()
    assert frames(event) == 25


def test_what_fails_at_a_trigger_is_raised_by_the_next_write(tmp_path: Path) -> None:
    sink = open_sink(tmp_path)
    sink.write(result(0))
    (tmp_path / "ring").rename(tmp_path / "gone")
    sink.trigger("asked")
    with pytest.raises((OSError, RoadsegError)):
        sink.write(result(1))


def test_a_rule_needs_a_class_that_is_drivable(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none of the model's classes is drivable"):
        RecordSink(tmp_path / "r", 3.0, 0.2, LIVE, Painter(CLASSES[1:]))
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--record-below", "0.2"], "needs --record"),
        (["--ring-frames"], "--ring-frames needs --ring NAME"),
        (["--record", "r", "--record-below", "2"], "record-below is 2"),
        (["--record", "r", "--record-seconds", "0"], "record-seconds is 0"),
    ],
)
def test_wrong_use(
    model: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main([str(model), "synthetic:", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_run_ends_though_a_recorder_hangs(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor waits for it in a thread of its own, as for a disk that does not answer."""
    monkeypatch.setattr(supervisor_module, "JOIN_S", 0.2)
    called, answer = threading.Event(), threading.Event()

    class Hanging:
        def trigger(self, reason: str) -> None:
            called.set()
            answer.wait(60)

    engine = open_engine(model, "onnxruntime")
    with open_source("synthetic:?frames=1&size=96x64") as source:
        monitor = Monitor(Pipeline(source, Segmenter(engine)))
        requests = listen(reload=False, record=False)
        requests.put(Request.RECORD)
        upkeep = Upkeep(False, requests, lambda: engine)
        with Supervisor(monitor, upkeep, Hanging(), Notifier({})):  # type: ignore[arg-type]
            assert called.wait(60)
    assert not answer.is_set()
    answer.set()
    engine.close()
