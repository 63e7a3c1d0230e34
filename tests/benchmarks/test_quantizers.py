"""The comparison of quantisers, on a tiny network that was trained."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from roadseg.benchmarks.quantizers import MAKERS, main


@pytest.mark.filterwarnings("ignore")  # of onnxruntime.quantization
def test_every_form_is_measured(
    exported: Path, roads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(exported / "mobileunet.onnx"), "--data", str(roads)]
    assert main([*words, "--calib-frames", "3", "--score-frames", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == ["float32", *MAKERS]
    same = {row[0]: float(row[3].removesuffix(" %")) for row in rows}
    assert same["float32"] == 100
    assert all(value > 85 for name, value in same.items() if name.startswith("roadseg"))
    counts = [re.fullmatch(r"(\d+) of (\d+)", row[1]) for row in rows]
    assert all(counts)
    assert counts[0] and counts[0][1] == "0"
    assert all(count and count[1] == count[2] for count in counts[1:4])


@pytest.mark.filterwarnings("ignore")  # of onnxruntime.quantization
def test_another_quantisers_file(
    exported: Path, roads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(exported / "mobileunet.onnx"), "--data", str(roads), "--calib-frames", "2"]
    assert main([*words, "--save", str(tmp_path)]) == 0
    assert np.load(tmp_path / "frames.npy").shape == (2, 64, 128, 3)
    other = onnx.load(tmp_path / "float.onnx")
    onnx.helper.set_model_props(other, {"seconds": "7"})
    onnx.save(other, tmp_path / "another.onnx")
    words += ["--score-frames", "1", "--threads", "1", "--also", str(tmp_path / "another.onnx")]
    assert main(words) == 0
    last = capsys.readouterr().out.splitlines()[-1].strip("| ").split(" | ")
    assert last[0] == "another"
    assert last[1].startswith("0 of ")
    assert last[3] == "100.00 %"
    assert last[-1] == "7"
