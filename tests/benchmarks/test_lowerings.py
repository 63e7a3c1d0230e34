"""The comparison of lowerings, on a tiny network that was trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadseg.benchmarks.lowerings import main


def test_every_form_is_measured(
    exported: Path, roads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino", reason="compares with OpenVINO")
    words = [str(exported / "mobileunet.onnx"), "--data", str(roads), "--size", "128x64"]
    assert main([*words, "--frames", "2", "--rounds", "2", "--threads", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "n = 4" in lines[0]
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]
    assert [" ".join(row[:2]) for row in rows] == [
        "ONNX Runtime float32",
        "ONNX Runtime INT8",
        "OpenVINO float32",
        "OpenVINO bfloat16",
        "OpenVINO INT8",
    ]
    assert [row[3] for row in rows if row[1] == "INT8"] == ["1.00", "1.00"]
    same = [float(row[7].removesuffix(" %")) for row in rows]
    assert same[1] == 100
    assert min(same) > 85
    scores = [float(row[6]) for row in rows]
    assert scores[0] == pytest.approx(scores[2], abs=0.05)


def test_a_network_without_an_int8_form(exported: Path, roads: Path) -> None:
    assert main([str(exported / "nowhere.onnx"), "--data", str(roads)]) == 2
