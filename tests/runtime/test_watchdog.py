"""The service manager hears of life only while masks are made."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roadseg.runtime.engines import open_engine
from roadseg.runtime.frame import Frame
from roadseg.runtime.monitor import Monitor
from roadseg.runtime.pipeline import Pipeline
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.service import EventLog, Notifier, Supervisor, Upkeep, listen
from roadseg.runtime.service import supervisor as supervisor_module
from roadseg.runtime.sources import open_source

GIVE_UP_S = 60.0
CAMERA = "synthetic:?size=96x64&live=1&fps=50"


def wait_for(what: str, is_true: Callable[[], object]) -> None:
    give_up = time.monotonic() + GIVE_UP_S
    while not is_true():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(0.02)


class Tap:
    """A live source whose frames can be held back."""

    def __init__(self) -> None:
        self.inner = open_source(CAMERA)
        self.info = self.inner.info
        self.open = threading.Event()
        self.open.set()

    def read(self) -> Frame | None:
        self.open.wait()
        return self.inner.read()

    def cancel(self) -> None:
        self.open.set()

    def close(self) -> None:
        self.inner.close()
        self.open.set()

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Recorded:
    """In a recorder's place: what it was asked for."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def trigger(self, reason: str) -> None:
        self.reasons.append(reason)


def test_the_watchdog_hears_nothing_while_no_frame_comes(
    model: Path, manager: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "LOST_S", 0.3)
    tap, lines, recorded = Tap(), [], Recorded()
    pipeline = Pipeline(tap, Segmenter(open_engine(model, "onnxruntime")))
    monitor = Monitor(pipeline)
    environ = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "200000"}
    requests, log = listen(reload=False, record=False), EventLog(0.0, lines.append)
    upkeep = Upkeep(True, requests, lambda: open_engine(model), log)
    supervisor = Supervisor(monitor, upkeep, recorded, Notifier(environ))  # type: ignore[arg-type]

    def run() -> None:
        with supervisor:
            for result in pipeline.results():
                monitor.note(result)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for("pings", lambda: manager.count("WATCHDOG=1") > 3)
        tap.open.clear()
        wait_for("the loss", lambda: recorded.reasons)
        heard = manager.count("WATCHDOG=1")
        time.sleep(0.5)  # ten ticks
        assert manager.count("WATCHDOG=1") == heard
        assert recorded.reasons == ["lost"]
        tap.open.set()
        wait_for("pings again", lambda: manager.count("WATCHDOG=1") > heard)
        wait_for("the return", lambda: "frames come again" in lines)
    finally:
        tap.close()
        thread.join()
    assert lines[0].startswith("no frame for 0.")
    assert manager.count("READY=1") == 1


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "much"}, None),
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_limit_of_the_watchdog(environ: dict[str, str], watchdog_s: float | None) -> None:
    notifier = Notifier(environ)
    assert notifier.watchdog_s == watchdog_s
    notifier.ready()  # to nobody


def test_an_abstract_socket_and_one_that_is_gone(make_manager: Callable[[str], Any]) -> None:
    manager = make_manager(f"@roadseg-test-{os.getpid()}")
    notifier = Notifier({"NOTIFY_SOCKET": manager.path})
    notifier.status("two\nlines\nREADY=1")
    try:
        wait_for("a status", lambda: manager.told)
    finally:
        manager.close()
    assert manager.told == ["STATUS=two lines READY=1"]
    notifier.alive()  # nobody listens any more
    notifier.close()
    notifier.close()
