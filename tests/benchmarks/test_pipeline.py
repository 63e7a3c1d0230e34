"""`seg-bench pipeline`: real runs of a tiny network behind a synthetic camera."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from roadseg.benchmarks import pipeline
from roadseg.benchmarks.about import about
from roadseg.benchmarks.cli import main
from roadseg.benchmarks.configuration import Configuration
from roadseg.benchmarks.cpu_clock import ClockedEngine, CpuClock
from roadseg.benchmarks.gates import Limits, check_limits, compare
from roadseg.benchmarks.html import html_report
from roadseg.benchmarks.markdown import markdown_report
from roadseg.benchmarks.pipeline import Camera, measure_pipelines
from roadseg.benchmarks.pipeline_run import pipeline_allocated_kb, run_pipeline
from roadseg.benchmarks.results import results, verdict
from roadseg.benchmarks.rows import Row, read_rows
from roadseg.benchmarks.table import one_line, text_table
from roadseg.runtime.engines import open_engine
from roadseg.runtime.errors import SourceError, UsageError

Capture = pytest.CaptureFixture[str]
SMALL = ["--frame-size", "96x64", "--seconds", "0.5", "--engine", "onnxruntime", "--threads", "1"]


def pipeline_row(unexplained: int = 0, **changes: object) -> Row:
    row = Row(
        "pipeline",
        *("mobileunet", "onnxruntime", "int8", 1024, 512),
        n=600,
        age_ms={"p50": 30.0, "p90": 34.0, "p99": 45.0, "p99.9": 50.0, "max": 51.0},
        stages_ms={"preprocess": 0.6, "infer": 15.0, "decode": 0.5},
        fps=30.0,
        memory_mb=200.0,
        ledger={"captured": 600, "shown": 600, "stale": 0, "unexplained": unexplained},
        cpu={"total_s": 10.0, "outside_s": 0.8, "outside_share": 0.08},
        options={"pixel_format": "NV12", "rate": 30.0, "frame_size": "1280x720"},
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def test_formats_and_rates_are_measured_each(model: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "bench"
    words = ["pipeline", str(model), *SMALL, "--format", "NV12,yuyv", "--rate", "20,50"]
    assert main([*words, "--out", str(out), "--max-p99", "60000"]) == 0
    rows = read_rows(out / "rows.jsonl")
    assert [(row.options["pixel_format"], row.options["rate"]) for row in rows] == [
        *(("NV12", 20.0), ("NV12", 50.0)),
        *(("YUYV", 20.0), ("YUYV", 50.0)),
    ]
    for row in rows:
        assert row.kind == "pipeline"
        assert {"p50", "p90", "p99", "p99.9", "max"} == set(row.age_ms)
        assert set(row.stages_ms) == {"preprocess", "infer", "decode"}
        assert row.n > 0
        counts = row.ledger
        assert counts["unexplained"] == 0
        assert counts["captured"] == sum(
            counts[name] for name in ("shown", "dropped", "stale", "corrupt")
        )
        assert counts["shown"] >= row.n
        assert 0 < row.cpu["outside_s"] < row.cpu["total_s"]
        assert row.cpu["engine_s"] > 0
        assert row.options["frame_size"] == "96x64"
    told = capsys.readouterr().out
    assert "NV12 20 FPS" in told
    assert "gates: all 8 passed" in told
    assert "NV12" in (out / "report.html").read_text()
    assert "unexplained" in (out / "report.md").read_text()
    assert json.loads((out / "summary.json").read_text())["results"][0]["age_p99_ms"] > 0


def test_a_short_soak(model: Path, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "rows.jsonl"
    words = ["pipeline", str(model), *SMALL, "--format", "NV12", "--rate", "50"]
    words += ["--soak-minutes", "0.05", "--jsonl", str(path), "--max-growth", "1000"]
    assert main(words) == 0
    soak = read_rows(path)[1]
    assert soak.kind == "soak"
    assert len(soak.soak["rss_mb"]) > 20
    assert soak.n > 100
    assert soak.ledger["unexplained"] == 0
    assert soak.soak["allocated_kb"] < soak.soak["frame_kb"] * 1.5  # of 96x64 pixels: 9 KiB
    assert isinstance(soak.soak["slope_mb_per_hour"], float)


def test_a_soak_that_is_too_short_to_say_anything(
    model: Path, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "rows.jsonl"
    words = ["pipeline", str(model), *SMALL, "--format", "NV12", "--rate", "50"]
    assert main([*words, "--soak-minutes", "0.0001", "--jsonl", str(path)]) == 1
    assert "too few frames to see memory grow" in capsys.readouterr().err
    assert [row.kind for row in read_rows(path)] == ["pipeline"]


def test_a_configuration_that_fails_does_not_lose_those_before(
    model: Path, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "rows.jsonl"
    words = ["pipeline", str(model), *SMALL, "--format", "NV12", "--rate", "50"]
    assert main([*words, "--size", "32x16,31x16", "--jsonl", str(path)]) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert str(path) in told.out
    assert [row.width for row in read_rows(path)] == [32]


def test_stages_after_the_network_are_timed(model: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "bench"
    words = ["pipeline", str(model), *SMALL, "--format", "NV12", "--rate", "50", "--out", str(out)]
    assert main([*words, "--post", "smooth,area:8,polygon"]) == 0
    (row,) = read_rows(out / "rows.jsonl")
    assert set(row.stages_ms) == {"preprocess", "infer", "decode", "smooth", "area", "polygon"}
    assert row.stages_ms["smooth"] > 0
    assert row.options["post"] == ["smooth", "area:8", "polygon"]
    assert "+ polygon 0." in capsys.readouterr().out
    assert ", polygon 0." in (out / "report.md").read_text()
    assert "after the network" in (out / "report.html").read_text()
    plain = replace(row, options={**row.options, "post": []})
    with pytest.raises(UsageError, match="no row of the same"):
        compare([plain], [row], Limits())


def test_a_gate_that_is_missed(model: Path, capsys: Capture) -> None:
    words = ["pipeline", str(model), *SMALL, "--format", "NV12", "--rate", "20"]
    assert main([*words, "--min-fps", "40", "--max-outside", "100%"]) == 1
    error = capsys.readouterr().err
    assert "wanted at least 40 (min-fps)" in error
    assert "NV12 · 20 FPS" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "BMP"], "unknown pixel format 'BMP'"),
        (["--format", ""], "--format names nothing"),
        (["--rate", "0"], "--rate: frames a second"),
        (["--seconds", "0"], "--seconds is 0.1 to"),
        (["--frame-size", "95x64"], "NV12 frames have even sides"),
        (["--max-growth", "1"], "needs --soak-minutes"),
        (["--source", "synthetic:?size=96x64&frames=3"], "is no camera"),
        (["--source", ""], "--source names nothing"),
        (["--threads", "-1"], "--threads is -1"),
        (["--post", "blur"], "unknown stage 'blur'"),
    ],
)
def test_wrong_use(model: Path, capsys: Capture, words: list[str], message: str) -> None:
    assert main(["pipeline", str(model), *words]) == 2
    assert message in capsys.readouterr().err


def test_a_cameras_password_is_in_no_row(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "rtsp://me:secret@camera/1"
    answer = {"n": 1, "seconds": 1.0, "stages_ms": {}, "age_ms": {}, "memory_mb": 1.0}
    answer |= {"ledger": {}, "cpu": {}, "frame_size": "64x32"}
    monkeypatch.setattr(pipeline, "_ask", lambda *_: answer)
    told: list[str] = []
    options = about(["pipeline", "--source", uri, f"--source={uri}"])
    asked = [Configuration("colours", str(model), "onnxruntime")]
    (row,) = measure_pipelines(asked, [Camera(uri)], 1.0, told.append, options)
    assert "secret" not in row.to_json() + "".join(told)
    assert row.options["source"] == "rtsp://***@camera/1"


def test_a_camera_that_ends_is_no_measurement(model: Path) -> None:
    uri = "synthetic:?live=1&size=96x64&fps=100&frames=5"
    with pytest.raises(SourceError, match="ended before 30 s"):
        run_pipeline(open_engine(model, "onnxruntime"), uri, 0.0, 30.0)
    with pytest.raises(UsageError, match="no camera"):
        run_pipeline(open_engine(model, "onnxruntime"), "synthetic:?frames=3", 0.0, 1.0)


def test_no_thread_of_a_pipeline_allocates_an_image(model: Path) -> None:
    uri = "synthetic:?live=1&size=640x480&fps=200&format=nv12"
    assert pipeline_allocated_kb(open_engine(model, "onnxruntime"), uri) < 640 * 480 / 1024 / 10


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


class Busy:
    """An engine whose `infer` takes the CPU for 50 ms in its caller's thread, 50 in its own."""

    name, spec, width, height = "busy", None, 8, 8
    input = np.zeros((8, 8, 3), np.uint8)

    def infer(self) -> NDArray[np.float32]:
        burn(0.05)
        return np.zeros((2, 2, 2), np.float32)


def test_cpu_time_is_told_by_where_it_was_spent() -> None:
    engine = ClockedEngine(Busy())  # type: ignore[arg-type]
    stop, go = threading.Event(), threading.Event()

    def infer() -> None:
        go.wait()
        engine.infer()
        burn(0.02)
        stop.wait()

    thread = threading.Thread(target=infer, name="infer")
    thread.start()
    clock = CpuClock(engine)
    go.set()
    burn(0.03)
    give_up = time.monotonic() + 60
    while (not engine.inside_ns or clock.spent()["infer_s"] < 0.02) and time.monotonic() < give_up:
        time.sleep(0.01)
    spent = clock.spent()
    stop.set()
    thread.join()
    assert spent["infer_s"] >= 0.02
    assert spent["sinks_s"] >= 0.03
    assert spent["engine_s"] >= 0.045
    assert spent["capture_s"] == 0
    assert spent["outside_s"] == pytest.approx(spent["infer_s"] + spent["sinks_s"], abs=1e-3)
    assert spent["total_s"] == pytest.approx(spent["engine_s"] + spent["outside_s"], abs=1e-3)


def test_unexplained_frames_miss_a_gate_of_their_own() -> None:
    (gate,) = check_limits([pipeline_row(unexplained=2)], Limits())
    assert not gate.passed
    assert str(gate) == (
        "mobileunet int8 · onnxruntime · 1024x512 · NV12 · 30 FPS: "
        "2 of 600 frames unexplained, wanted 0 (ledger)"
    )
    assert check_limits([pipeline_row()], Limits())[0].passed


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        (Limits(max_p99=45.0), True),
        (Limits(max_p99=44.9), False),
        (Limits(max_outside=0.08), True),
        (Limits(max_outside=0.079), False),
        (Limits(min_fps=30.0), True),
        (Limits(min_fps=30.1), False),
    ],
)
def test_limits_of_a_pipeline(limits: Limits, passed: bool) -> None:
    assert check_limits([pipeline_row()], limits)[-1].passed is passed


def test_rates_are_not_compared_with_each_other() -> None:
    old = [pipeline_row(), pipeline_row(options={"pixel_format": "NV12", "rate": 60.0})]
    slower = pipeline_row(age_ms={"p50": 40.0, "p90": 41.0, "p99": 45.0})
    gates = compare([slower], old, Limits())
    assert [(gate.name, gate.passed) for gate in gates] == [
        ("compare age p50", False),
        ("compare memory", True),
        ("compare", False),  # the 60 FPS
    ]


def test_reports_tell_of_cameras() -> None:
    rows = [pipeline_row(), pipeline_row(options={"pixel_format": "YUYV", "rate": 60.0})]
    found = results(rows)
    assert [one.label for one in found] == [
        "mobileunet int8 · frames 1280x720 · NV12 · 30 FPS",
        "mobileunet int8 · YUYV · 60 FPS",
    ]
    assert "age p99 45.0 ms, 0 frames unexplained, 8.0% of CPU time" in verdict(found)[0]
    assert "NV12 30 FPS" in text_table(found)
    assert "30.0 FPS, age 45.0 ms p99 | 0 of 600 unexplained" in one_line(found[0])
    assert "45.0 <small>ms age p99" in html_report(rows)
    assert "| 51.0 |" in markdown_report(rows)
