"""seg-run as a service: a real notification socket, real signals to a real process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.engines import open_engine
from roadseg.runtime.frame import Frame
from roadseg.runtime.monitor import Monitor
from roadseg.runtime.pipeline import Pipeline
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.service import EventLog, Notifier, Reloader, Supervisor, Upkeep, listen
from roadseg.runtime.service import supervisor as supervisor_module
from roadseg.runtime.sources import open_source
from roadseg.runtime.spec import METADATA_KEY, ClassInfo

RUN = [sys.executable, "-m", "roadseg.runtime.cli"]
GIVE_UP_S = 60.0
CAMERA = "synthetic:?size=96x64&live=1&fps=50"
PATIENT = ("--start-timeout", "0", "--open-timeout", "60")  # a busy machine renders slowly


def wait_for(what: str, is_true: Callable[[], object]) -> None:
    give_up = time.monotonic() + GIVE_UP_S
    while not is_true():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(0.02)


class Manager:
    """The end of the socket that systemd has."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self._socket.settimeout(0.05)
        self.told: list[str] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self.told.append(self._socket.recv(4096).decode())
            except TimeoutError:
                continue

    def count(self, message: str) -> int:
        return sum(one.startswith(message) for one in self.told)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.close()


class Service:
    """A seg-run process with its log."""

    def __init__(self, folder: Path, *words: str | Path, **environ: str) -> None:
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*RUN, *map(str, words)],
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **environ},
            )

    def alive(self) -> bool:
        assert self.process.poll() is None, f"seg-run ended: {self.log.read_text()}"
        return True

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> str:
        self.send(signal.SIGTERM)
        return self.process.communicate(timeout=GIVE_UP_S)[0].decode()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    with ExitStack() as ends:

        def begin(*words: str | Path, **environ: str) -> Service:
            service = Service(tmp_path, *words, **environ)
            ends.callback(service.close)
            return service

        yield begin


def count_frames(path: Path) -> int:
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count


def all_red(model: Path, out: Path) -> Path:
    """Write the model with other weights: the first class wins everywhere."""
    made = onnx.load(model)
    weights = made.graph.initializer[0]
    weights.CopyFrom(
        numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(weights)), weights.name)
    )
    onnx.save(made, out)
    return out


def with_other_classes(model: Path, out: Path) -> Path:
    made, spec = read_artifact(model)
    other = replace(spec, classes=(ClassInfo("rot", (255, 0, 0)), *spec.classes[1:]))
    next(one for one in made.metadata_props if one.key == METADATA_KEY).value = other.to_json()
    onnx.save(made, out)
    return out


def test_a_service_is_ready_reloads_and_stops(
    model: Path, tmp_path: Path, manager: Manager, start: Callable[..., Service]
) -> None:
    artefact, lines = tmp_path / "road.onnx", tmp_path / "lines.jsonl"
    red, other = all_red(model, tmp_path / "red.onnx"), with_other_classes(model, tmp_path / "o")
    shutil.copy(model, artefact)
    words = (artefact, CAMERA, "--jsonl", lines, "--engine", "onnxruntime", "--service")
    service = start(*words, *PATIENT, NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="4000000")

    def rows() -> list[dict[str, float]]:
        text = lines.read_text() if lines.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def reload(how: str) -> int:
        done = manager.count("READY=1")
        service.send(signal.SIGHUP)
        wait_for(how, lambda: service.alive() and manager.count("READY=1") > done)
        assert how in service.log.read_text()
        return len(rows())

    wait_for("READY", lambda: service.alive() and "READY=1" in manager.told)
    assert manager.told[0] == "STATUS=waits for the first frame"
    wait_for("a watchdog ping", lambda: manager.count("WATCHDOG=1") > 2)
    wait_for("rows", lambda: len(rows()) > 10)
    assert rows()[-1]["drivable"] < 0.9  # of a rendered road, red is not the brightest everywhere

    os.replace(red, artefact)
    seen = reload("reloaded colours")
    wait_for("rows of the new model", lambda: service.alive() and len(rows()) > seen + 10)
    assert rows()[-1]["drivable"] == 1.0

    artefact.write_bytes(b"no model")
    done = manager.count("READY=1")
    service.send(signal.SIGHUP)
    wait_for("READY after a failed reload", lambda: manager.count("READY=1") > done)
    seen = len(rows())
    wait_for("rows of the model from before", lambda: service.alive() and len(rows()) > seen + 10)
    assert rows()[-1]["drivable"] == 1.0
    os.replace(other, artefact)
    service.send(signal.SIGHUP)
    wait_for("READY after other classes", lambda: manager.count("READY=1") > done + 1)

    told = service.end()
    assert service.process.returncode == 0
    assert manager.count("RELOADING=1\nMONOTONIC_USEC=") == 3
    assert manager.told[-1] == "STOPPING=1"
    assert "not reloaded, the model from before goes on: " in service.log.read_text()
    assert "has other classes: restart to use it" in service.log.read_text()
    captured, shown, drops, stale, corrupt = (
        int(word) for word in told.split("captured")[1].splitlines()[0].split() if word.isdigit()
    )
    assert captured == shown + drops + stale + corrupt
    sequences = [int(row["sequence"]) for row in rows()]
    assert sequences == sorted(set(sequences))  # the camera was not opened again
    assert any(one.startswith("STATUS=live, ") for one in manager.told)


def test_a_hangup_ends_a_run_that_is_no_service(
    model: Path, tmp_path: Path, start: Callable[..., Service]
) -> None:
    lines = tmp_path / "lines.jsonl"
    run = start(model, CAMERA, "--jsonl", lines, *PATIENT)
    wait_for("a row", lambda: run.alive() and lines.exists() and lines.stat().st_size)
    run.send(signal.SIGHUP)
    run.process.communicate(timeout=GIVE_UP_S)
    assert run.process.returncode == -signal.SIGHUP


def test_a_killed_recording_leaves_whole_files_and_the_next_run_keeps_them(
    model: Path, tmp_path: Path, start: Callable[..., Service]
) -> None:
    folder = tmp_path / "events"
    words = (model, CAMERA, "--record", folder, "--record-seconds", "2", *PATIENT)
    run = start(*words)
    wait_for("segments", lambda: run.alive() and len(list(folder.glob("ring/[0-9]*.mp4"))) >= 2)
    run.send(signal.SIGUSR1)
    wait_for("an event", lambda: run.alive() and list(folder.glob("*-asked/[0-9]*.mp4")))
    second = subprocess.run([*RUN, *map(str, words)], capture_output=True, text=True)
    assert second.returncode == 2
    assert "another run records there" in second.stderr
    run.send(signal.SIGKILL)
    run.process.wait()
    (event,) = folder.glob("*-asked")
    assert json.loads((event / "event.json").read_text())["reason"] == "asked"
    left = [*event.glob("[0-9]*.mp4"), *folder.glob("ring/[0-9]*.mp4")]
    assert len(left) >= 3
    assert all(count_frames(path) > 0 for path in left)

    again = start(*words)
    wait_for("the next run", lambda: again.alive() and list(folder.glob("*-killed/[0-9]*.mp4")))
    wait_for("its ring", lambda: again.alive() and list(folder.glob("ring/[0-9]*.mp4")))
    told = again.end()
    assert again.process.returncode == 0
    assert not (folder / "ring").exists()
    assert "events" not in told.split("captured")[1]  # it had none itself
    assert all(count_frames(path) > 0 for path in folder.glob("*-killed/[0-9]*.mp4"))


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
    model: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
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


def test_an_abstract_socket_and_one_that_is_gone() -> None:
    manager = Manager(f"@roadseg-test-{os.getpid()}")
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


def test_a_log_tells_a_line_of_a_kind_in_an_interval() -> None:
    lines: list[str] = []
    now = [0.0]
    log = EventLog(10.0, lines.append, lambda: now[0])
    for number in range(100):
        now[0] = number / 10
        log.tell("drops", f"drop {number}")
        log.flush()
    log.tell("other", "something else")
    assert lines == ["drop 0", "something else"]
    now[0] = 10.0
    log.flush()
    log.flush()
    assert lines[2:] == ["drop 99 (98 lines like it left out)"]
    log.tell("drops", "drop 100")
    log.flush()
    assert len(lines) == 3
    log.flush(all_kinds=True)
    assert lines[3:] == ["drop 100"]


def test_an_engine_that_is_swapped_is_closed_whenever(model: Path) -> None:
    class Closable:
        def __init__(self) -> None:
            self.inner = open_engine(model, "onnxruntime")
            self.closed = False

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def close(self) -> None:
            self.closed = True
            self.inner.close()

    engines = [Closable() for _ in range(4)]
    first, second, third, late = engines
    segmenter = Segmenter(first)  # type: ignore[arg-type]
    with open_source("synthetic:?size=96x64&frames=2") as source:
        frame = source.read()
        assert frame
        segmenter(frame)
        segmenter.swap(second)  # type: ignore[arg-type]
        assert not first.closed  # a frame may be under way
        segmenter.swap(third)  # type: ignore[arg-type]
        assert second.closed
        segmenter(frame)
    assert (first.closed, third.closed) == (True, False)
    assert segmenter.engine is third
    segmenter.close()
    segmenter.swap(late)  # type: ignore[arg-type]
    assert all(engine.closed for engine in engines)


def test_a_reload_that_fails_leaves_the_engine(model: Path) -> None:
    lines: list[str] = []

    def broken() -> None:
        raise RuntimeError("no\nmemory")

    segmenter = Segmenter(open_engine(model, "onnxruntime"))
    before = segmenter.engine
    reloader = Reloader(broken, segmenter, EventLog(0.0, lines.append), Notifier({}))  # type: ignore[arg-type]
    reloader.start()
    wait_for("an end", lambda: not reloader.busy)
    assert lines == ["not reloaded, the model from before goes on: no memory"]
    assert segmenter.engine is before


def test_the_example_unit_is_one_that_systemd_reads(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    text = (Path(__file__).parents[2] / "examples" / "roadseg.service").read_text()
    assert "--service" in text
    unit = tmp_path / "roadseg.service"
    unit.write_text(text.replace("/opt/roadseg/bin/seg-run", sys.executable))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True
    )
    assert (told.returncode, told.stderr) == (0, "")
