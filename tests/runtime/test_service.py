"""seg-run as a service: a real notification socket, real signals to a real process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.ring import ring_path
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
    model: Path, tmp_path: Path, manager: Any, start: Callable[..., Service]
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


@pytest.fixture
def hearing() -> Iterator[None]:
    """nohup's children inherit deafness."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hearing")
def test_a_hangup_ends_a_run_that_is_no_service(
    model: Path, tmp_path: Path, start: Callable[..., Service]
) -> None:
    lines, video, ring = tmp_path / "lines.jsonl", tmp_path / "road.mp4", f"hangup-{os.getpid()}"
    outputs = ("--jsonl", lines, "--save", video, "--ring", ring)
    run = start(model, CAMERA, *outputs, *PATIENT)
    wait_for("a row", lambda: run.alive() and lines.exists() and lines.stat().st_size)
    run.send(signal.SIGHUP)
    run.send(signal.SIGHUP)  # the shell sends one, and the kernel when the shell ends
    told = run.process.communicate(timeout=GIVE_UP_S)[0].decode()
    assert run.process.returncode == 0
    assert "captured" in told
    assert f"wrote video {video}" in told
    assert count_frames(video) > 0
    assert not list(tmp_path.glob(".*"))
    assert not ring_path(ring).exists()


@pytest.mark.usefixtures("hearing")
def test_a_terminal_that_is_closed_leaves_whole_files(model: Path, tmp_path: Path) -> None:
    lines, video = tmp_path / "lines.jsonl", tmp_path / "road.mp4"
    code = (
        "import fcntl, sys, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "from roadseg.runtime.cli import main\nsys.exit(main())"
    )
    words = [str(model), CAMERA, "--jsonl", str(lines), "--save", str(video), *PATIENT]
    ours, its = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    try:
        wait_for("a row", lambda: lines.exists() and lines.stat().st_size)
        os.close(ours)
        assert process.wait(GIVE_UP_S) == 0
    finally:
        process.kill()
        process.wait()
    assert count_frames(video) > 0
    assert not list(tmp_path.glob(".*"))


def test_a_run_under_nohup_goes_on_after_a_hangup(
    model: Path, tmp_path: Path, start: Callable[..., Service]
) -> None:
    lines = tmp_path / "lines.jsonl"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run = start(model, CAMERA, "--jsonl", lines, *PATIENT)
    signal.signal(signal.SIGHUP, before)
    wait_for("a row", lambda: run.alive() and lines.exists() and lines.stat().st_size)
    run.send(signal.SIGHUP)
    size = lines.stat().st_size
    wait_for("more rows", lambda: run.alive() and lines.stat().st_size > size + 1000)
    assert "captured" in run.end()


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
