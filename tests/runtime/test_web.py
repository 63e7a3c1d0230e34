"""The page's server: pictures, metrics, health, and viewers that behave badly."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from web_client import Answer, wait_until

from roadseg.runtime.cli import main
from roadseg.runtime.web import LivePicture, handler, server

TOKEN = "t0ken-of-sufficient-length"
Serve = Callable[..., Any]


def test_a_picture_is_the_frame_and_its_class_ids(serve: Serve) -> None:
    run = serve()
    first, second = (Answer(run.port, "/frame?viewer=a") for _ in range(2))
    assert first.status == 200
    at = int(first.headers["X-Mask-At"])
    frame = cv2.imdecode(np.frombuffer(first.body[:at], np.uint8), cv2.IMREAD_COLOR)
    end = int(first.headers["X-Findings-At"])
    mask = cv2.imdecode(np.frombuffer(first.body[at:end], np.uint8), cv2.IMREAD_UNCHANGED)
    assert json.loads(first.body[end:]) == {"size": [96, 64]}
    assert frame.shape == (64, 96, 3)
    np.testing.assert_array_equal(mask[32, [15, 47, 80]], [0, 1, 2])
    assert first.body[at + 25] == 0, "grey: the page gives it a palette"
    assert int(second.headers["X-Sequence"]) > int(first.headers["X-Sequence"])


def test_what_was_found_travels_with_the_picture(serve: Serve) -> None:
    answer = Answer(serve(post=["polygon", "free"]).port, "/frame?viewer=a")
    found = json.loads(answer.body[int(answer.headers["X-Findings-At"]) :])
    assert found["size"] == [96, 64]
    assert found["polygon"][0] == [0, 0]  # red, at the left, is drivable
    assert found["free"]["pixels"] == 0
    assert found["free"]["blocked_by"] == "green"
    assert found["bar"] == [44, 51, 63]  # the middle tenth, at the bottom


def test_a_large_picture_is_made_smaller(serve: Serve) -> None:
    answer = Answer(serve(width=1440, height=810).port, "/frame?viewer=a")
    at = int(answer.headers["X-Mask-At"])
    shapes = [
        cv2.imdecode(np.frombuffer(part, np.uint8), cv2.IMREAD_UNCHANGED).shape[:2]
        for part in (answer.body[:at], answer.body[at:])
    ]
    assert shapes == [(540, 960), (540, 960)]


def test_without_a_viewer_nothing_is_encoded_or_copied(serve: Serve) -> None:
    run = serve()
    wait_until(lambda: run.pipeline.ledger.shown >= 20)
    assert (run.sink.server.live.encoded, run.sinks.copies.made) == (0, 0)
    Answer(run.port, "/frame?viewer=a")
    assert run.sink.server.live.encoded >= 1, "and with one it is"


def test_a_picture_is_encoded_once_for_all(serve: Serve) -> None:
    run = serve()
    live, got = LivePicture(), []
    viewers = [threading.Thread(target=lambda: got.append(live.next(60))) for _ in range(20)]
    for viewer in viewers:
        viewer.start()
    wait_until(lambda: live._waiting == 20)
    live.show(next(iter(results_of(run))))
    for viewer in viewers:
        viewer.join()
    assert live.encoded == 1
    assert len(got) == 20
    assert len(set(map(id, got))) == 1


def results_of(run: Any) -> Any:
    """Return a result like those of the run."""
    from roadseg.runtime.result import Result

    frame = run.source.read()
    yield Result(frame, np.zeros((64, 96), np.uint8), {}, 0)


def test_viewers_that_never_read_stop_neither_the_run_nor_the_others(serve: Serve) -> None:
    run = serve(width=960, height=540, noise=True)
    stuck = []
    for number in range(server.VIEWERS - 1):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", run.port))
        one.sendall(f"GET /frame?viewer={number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 40)
        stuck.append(one)
    wait_until(lambda: run.sink.server.viewers == server.VIEWERS - 1)
    before = run.pipeline.ledger.shown
    seen = [int(Answer(run.port, "/frame?viewer=good").headers["X-Sequence"]) for _ in range(15)]
    assert seen == sorted(set(seen))
    wait_until(lambda: run.pipeline.ledger.shown > before + 30)
    for one in stuck:
        one.close()
    run.end_source()
    assert run.pipeline.ledger.balances
    assert not run.sinks.failed


def test_one_viewer_too_many_is_told_so(serve: Serve) -> None:
    run = serve()
    assert all(run.sink.server.admit(str(number)) for number in range(server.VIEWERS))
    answer = Answer(run.port, "/frame?viewer=late")
    assert (answer.status, answer.body) == (503, b"as many viewers are here as fit\n")
    assert Answer(run.port, "/frame?viewer=3").status == 200


def test_one_connection_too_many_is_closed(serve: Serve) -> None:
    run = serve()
    open_ones = []
    for _ in range(server.CONNECTIONS):
        open_ones.append(socket.create_connection(("127.0.0.1", run.port)))
    wait_until(lambda: len(run.sink.server._connections) == server.CONNECTIONS)
    with socket.create_connection(("127.0.0.1", run.port), timeout=60) as late:
        with contextlib.suppress(ConnectionError):
            late.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert late.recv(10) == b""
    for one in open_ones:
        one.close()
    wait_until(lambda: not run.sink.server._connections)
    wait_until(lambda: Answer(run.port, "/healthz").status == 200)


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\nX: "])
def test_a_request_said_byte_by_byte_is_ended(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(handler, "IDLE_S", 0.5)
    run = serve()
    with socket.create_connection(("127.0.0.1", run.port), timeout=60) as slow:
        slow.sendall(begun)
        give_up = time.monotonic() + 6  # of the 10 s after which a silent one is ended
        with pytest.raises(OSError):
            while time.monotonic() < give_up:
                slow.sendall(b"G")
                time.sleep(0.05)
    assert Answer(run.port, "/healthz").status in {200, 503}


def test_the_pages_files_need_nothing_from_elsewhere(serve: Serve) -> None:
    port = serve().port
    page = Answer(port, "/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    names = re.findall(r'(?:src|href)="([^":]+)"', page.body.decode())
    assert set(names) == {"page.css", "live.css", "live.js"}
    for name in names:
        assert Answer(port, f"/{name}").status == 200
    for path in Path(server.FOLDER).iterdir():
        if path.suffix in handler.TYPES:
            assert "//" not in re.sub(r"^\s*//.*| // .*", "", path.read_text(), flags=re.M)
    for missing in ("/server.py", "/../server.py", "/%2e%2e/server.py"):
        assert Answer(port, missing).status == 404


def test_metrics_are_what_prometheus_reads_and_what_the_ledger_says(serve: Serve) -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is missing")
    run = serve()
    Answer(run.port, "/frame?viewer=a")
    wait_until(lambda: run.pipeline.ledger.shown >= 5)
    run.end_source()
    text = Answer(run.port, "/metrics").body.decode()
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    ledger = run.pipeline.ledger
    assert values["roadseg_captured_frames_total",] == ledger.captured
    fates = {fate: values["roadseg_frames_total", fate] for fate in ("shown", "stale", "corrupt")}
    assert fates == {"shown": ledger.shown, "stale": ledger.stale, "corrupt": ledger.corrupt}
    assert values["roadseg_age_seconds_count",] == ledger.age.count
    assert 0 < values["roadseg_age_seconds", "0.5"] <= values["roadseg_age_seconds", "0.99"]
    assert values["roadseg_age_seconds_sum",] > 0
    assert values["roadseg_sink_frames_total", "web", "written"] == run.sinks.tallies[0].written
    assert values["roadseg_sink_up", "web"] == 1
    assert values["roadseg_source_up",] == 1
    assert families["roadseg_age_seconds"].type == "summary"
    assert "secret" not in text


def test_status_and_about(serve: Serve) -> None:
    run = serve()
    run.source.state = "stalled"
    wait_until(lambda: run.monitor.since_last_s is not None)
    status = json.loads(Answer(run.port, "/status.json").body)
    assert status["state"] == "stalled"
    counts = status["ledger"]
    assert counts.pop("captured") == sum(counts.values())
    assert sum(second[1] for second in status["history"]) >= 1
    about = json.loads(Answer(run.port, "/about.json").body)
    assert about["source"] == "rtsp://***@camera/1"
    assert [one["name"] for one in about["classes"]] == ["red", "green", "blue"]
    assert about["alpha"] == 0.5


def test_health_follows_the_masks(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    run = serve()
    wait_until(lambda: Answer(run.port, "/healthz").status == 200)
    run.end_source()
    monkeypatch.setattr(handler, "HEALTHY_S", 0.05)
    wait_until(lambda: run.monitor.since_last_s > 0.05)
    answer = Answer(run.port, "/healthz")
    assert answer.status == 503
    assert answer.body == b"live: no mask for 0 s\n"


def test_a_port_in_use_is_one_line(
    serve: Serve, model: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = serve().port
    assert main([str(model), str(images), "--serve", str(port)]) == 2
    error = capsys.readouterr().err
    assert error == f"seg-run: --serve 127.0.0.1:{port}: port {port} is in use: choose another\n"


def test_seg_run_serves_while_it_runs_and_ends_when_told(model: Path) -> None:
    words = [sys.executable, "-m", "roadseg.runtime.cli", str(model)]
    words += ["synthetic:?size=96x64&live=1&fps=50", "--serve", "0"]
    process = subprocess.Popen(
        [*words, "--ring", f"roadseg-serve-{os.getpid()}"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        told = [process.stdout.readline() for _ in range(2)]
        found = re.search(r"the page is at http://127\.0\.0\.1:(\d+)/$", told[1])
        assert found, told
        port = int(found[1])
        assert Answer(port, "/frame?viewer=a").status == 200
        wait_until(lambda: Answer(port, "/healthz").status == 200)
        sinks = json.loads(Answer(port, "/status.json").body)["sinks"]
        assert [one["name"] for one in sinks] == ["ring", "web"]
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "wrote ring roadseg-serve-" in rest
