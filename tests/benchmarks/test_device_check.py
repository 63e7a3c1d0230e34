"""The device check: every step is tried, what fails becomes a line, and one file tells it all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from roadseg.benchmarks.cli import main
from roadseg.benchmarks.device import check, steps
from roadseg.benchmarks.device.child import run_step
from roadseg.benchmarks.device.outcome import FAILED, OK, SKIPPED, WRONG, Outcome, text_table
from roadseg.benchmarks.device.report import DATA_ID, device_page
from roadseg.runtime.cuda import CudaError
from roadseg.runtime.engines.kinds import KINDS
from roadseg.runtime.golden import GOLDEN_KEY
from roadseg.runtime.sensors.snapshot import snapshot

Told = pytest.CaptureFixture[str]
ABOUT: dict[str, Any] = {
    "machine": {"cpu": "Test CPU", "os": "Linux"},
    "versions": {"python": "3.11"},
    "board": {"release": "R36"},
    "sensors_before": {"cpu-thermal °C": 41.0},
    "sensors_after": {"cpu-thermal °C": 55.5},
    "started": "2026-01-02T03:04:05+00:00",
}


def stored(page: str) -> dict[str, Any]:
    """Return the JSON inside a report."""
    match = re.search(rf'<script type="application/json" id="{DATA_ID}">(.*?)</script>', page)
    assert match
    found: dict[str, Any] = json.loads(match[1])
    return found


@pytest.fixture
def small(exported: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The check with one small network and the engines that run ONNX and ncnn; no cameras."""
    kept = {name: KINDS[name] for name in ("onnxruntime", "openvino", "ncnn")}
    path = exported / "mobileunet.onnx"
    monkeypatch.setattr(check, "KINDS", kept)
    monkeypatch.setattr(check, "shipped_models", lambda: {"tiny": path})
    monkeypatch.setattr(check, "CAMERAS", "/dev/no-such-camera*")
    return path


@pytest.mark.slow
def test_everything_that_is_here(small: Path, tmp_path: Path, capsys: Told) -> None:
    out = tmp_path / "report.html"
    words = ["device-check", "--out", str(out), "--n", "3", "--frames", "8"]
    assert main(words) == 0
    told = capsys.readouterr().out
    data = stored(out.read_text())
    states = {(each["step"], each["subject"]): each["state"] for each in data["outcomes"]}
    for name in ("onnxruntime", *(n for n in ("openvino", "ncnn") if KINDS[n].is_installed)):
        assert states["selftest", f"tiny on {name}"] == OK
        assert states["latency", f"tiny on {name}"] == OK
        assert name == "onnxruntime" or states["agreement", f"tiny on {name}"] == OK
    assert states["live", "cameras"] == SKIPPED
    assert states["live", "rendered roads, 30 FPS"] == OK
    assert {row["engine"] for row in data["rows"]} >= {"onnxruntime"}
    assert data["machine"]["cores"] >= 1
    assert "there is no /dev/no-such-camera*" in told
    assert "0 wrong, 0 failed" in told
    assert f"report: {out}" in told


def test_a_wrong_engine_is_found(
    small: Path, tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The golden mask is one that no engine gives."""
    model = onnx.load(small)
    entry = next(each for each in model.metadata_props if each.key == GOLDEN_KEY)
    golden = json.loads(entry.value)
    golden["mask"] = flat_mask(golden["mask"])
    entry.value = json.dumps(golden)
    path = tmp_path / "wrong.onnx"
    onnx.save(model, path)
    monkeypatch.setattr(check, "shipped_models", lambda: {"wrong": path})
    monkeypatch.setattr(check, "KINDS", {"onnxruntime": KINDS["onnxruntime"]})
    monkeypatch.setattr(check.DeviceCheck, "_latency", lambda self, model, pairs: None)
    words = ["device-check", "--out", str(tmp_path / "r.html"), "--n", "1", "--frames", "2"]
    assert main(words) == 1
    assert re.search(r"^wrong +selftest +wrong on onnxruntime +\d", capsys.readouterr().out, re.M)


def test_a_check_that_is_stopped_reports_what_it_found(
    small: Path, tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "KINDS", {"onnxruntime": KINDS["onnxruntime"]})
    monkeypatch.setattr(check.DeviceCheck, "_latency", stop)
    out = tmp_path / "report.html"
    assert main(["device-check", "--out", str(out)]) == 130
    states = {each["step"]: each["state"] for each in stored(out.read_text())["outcomes"]}
    assert states == {"selftest": OK, "all": SKIPPED}
    assert f"report: {out}" in capsys.readouterr().out


def flat_mask(packed: str) -> str:
    """Return a packed mask of the same size, of one class alone."""
    import base64

    import cv2
    import numpy as np

    mask = cv2.imdecode(np.frombuffer(base64.b64decode(packed), np.uint8), cv2.IMREAD_UNCHANGED)
    content = cv2.imencode(".png", np.full_like(mask, 10))[1].tobytes()
    return base64.b64encode(content).decode()


CHILDREN = {
    "crash": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
    "traceback": "raise KeyError('a plan of another version')",
    "silence": "pass",
    "sleep": "import time\ntime.sleep(60)",
    "nonsense": "print('loaded')",
    "crash at the end": (
        "import os, signal\n"
        'print(\'{"state": "ok", "detail": "", "figures": {}}\', flush=True)\n'
        "os.kill(os.getpid(), signal.SIGABRT)"
    ),
}


@pytest.mark.parametrize(
    ("child", "message"),
    [
        ("crash", "ended by signal 11"),
        ("traceback", "ended with exit code 1: KeyError: 'a plan of another version'"),
        ("silence", "ended with exit code 0"),
        ("sleep", "no end after 1 s"),
        ("nonsense", "ended with exit code 0"),
        ("crash at the end", "ended by signal 6"),
    ],
)
def test_whatever_ends_a_step_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: str, message: str
) -> None:
    (tmp_path / "broken_step.py").write_text(CHILDREN[child])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = run_step("selftest", "a network", timeout_s=1.0, module="broken_step")
    assert (found.state, found.detail) == (FAILED, message)


def test_the_latency_ends_in_time(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check.DeviceCheck, "_opens", lambda self, configuration: True)
    tried = check.DeviceCheck(check.DeviceOptions(n=10**7, timeout=1.0))
    tried.about = {"machine": {}, "versions": {}, "started": ""}
    tried._latency("tiny", [check.Pair("tiny", KINDS["onnxruntime"], small)])
    (found,) = tried.outcomes
    assert (found.step, found.state) == ("latency", FAILED)
    assert "tiny on onnxruntime: no end in the time" in found.detail


def test_errors_of_roadseg_and_missing_cameras_are_told_apart(tmp_path: Path) -> None:
    found = run_step("selftest", "x", "nowhere.onnx", "onnxruntime", "x", timeout_s=60)
    assert found.state == FAILED
    assert "nowhere.onnx: No such file" in found.detail
    found = run_step("live", "x", "v4l2:///dev/video99", 5, timeout_s=60)
    assert found.state == SKIPPED
    assert "there is no camera /dev/video99" in found.detail


def test_a_gpu_that_fails_is_not_skipped(monkeypatch: pytest.MonkeyPatch, capsys: Told) -> None:
    def fail(*arguments: str) -> None:
        raise CudaError("cudaStreamSynchronize", 700, "an illegal memory access")

    monkeypatch.setitem(steps.STEPS, "selftest", fail)
    monkeypatch.setattr("sys.argv", ["steps", "selftest", "model", "tensorrt", "file"])
    steps.main()
    answer = json.loads(capsys.readouterr().out)
    assert (answer["state"], answer["figures"]) == (FAILED, {})
    assert "an illegal memory access" in answer["detail"]


def test_the_report_does_not_name_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/örtel")

    def run(tried: check.DeviceCheck) -> None:
        tried.about = ABOUT
        detail = "/home/örtel/.cache/roadseg/plans/a.plan: TensorRT cannot load it"
        tried.outcomes.append(Outcome("selftest", "a", FAILED, detail))

    monkeypatch.setattr(check.DeviceCheck, "run", run)
    out = tmp_path / "report.html"
    assert main(["device-check", "--out", str(out)]) == 1
    page = out.read_text()
    assert "rtel" not in page
    assert stored(page)["outcomes"][0]["detail"].startswith("~/.cache/roadseg/plans/a.plan: ")


def test_an_engine_that_is_not_here_says_how_to_get_it(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    kind = dataclasses.replace(KINDS["openvino"], package="no_such_package")
    monkeypatch.setattr(check, "KINDS", {"openvino": kind})
    tried = check.DeviceCheck(check.DeviceOptions())
    assert list(tried._pairs(tmp_path)) == []
    (found,) = tried.outcomes
    assert (found.step, found.subject, found.state) == ("engine", "openvino", SKIPPED)
    assert "pip install 'roadseg[openvino]'" in found.detail


def test_the_page_in_a_browser(look: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    outcomes = [
        Outcome("selftest", "a on b", WRONG, "</script><b>50 %", {"agreement": 50.0}),
        Outcome("engine", "tensorrt", SKIPPED, "not here"),
    ]
    page = device_page(ABOUT, outcomes, [])
    assert stored(page)["outcomes"][0]["detail"] == "</script><b>50 %"
    assert "<td>55.5</td>" in page
    assert "1 wrong, 0 failed, 1 skipped" in text_table(outcomes)
    found = look(page, tmp_path, 390, dark=False)
    assert not found["errors"]
    assert found["wide"] <= 0


def test_sensors_of_a_jetson(tmp_path: Path) -> None:
    files = {
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "48250\n",
        "sys/class/thermal/thermal_zone1/temp": "",
        "sys/class/hwmon/hwmon3/name": "ina3221\n",
        "sys/class/hwmon/hwmon3/in1_label": "VDD_IN\n",
        "sys/class/hwmon/hwmon3/in1_input": "5000\n",
        "sys/class/hwmon/hwmon3/curr1_input": "1200\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    expected = {"cpu-thermal °C": 48.2, "VDD_IN W": 6.0}
    assert snapshot(tmp_path) == expected
    assert snapshot(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--n", "0"], "must be 1 or more"),
        (["--out", "/proc/none/report.html"], "cannot write /proc/none/report.html"),
        (["--models", "x"], "unrecognized arguments"),
    ],
)
def test_bad_options(capsys: Told, words: list[str], message: str) -> None:
    assert main(["device-check", *words]) == 2
    assert message in capsys.readouterr().err
