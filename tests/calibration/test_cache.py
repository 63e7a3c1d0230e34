"""Ranges found before: taken for the same network and frames, and for no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from roadseg.calibration.cache import load_ranges, ranges_key, save_ranges
from roadseg.calibration.frames import LabelledFrame, is_plain
from roadseg.export.cli import main
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.options import Size

SIZE = Size(128, 64)


def frame(value: int) -> LabelledFrame:
    pixels = np.full((4, 6, 3), value, np.uint8)
    return LabelledFrame(Frame(pixels, PixelFormat.RGB, 0, 0), None)


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_key_is_of_all_that_matters(exported: Path) -> None:
    model = onnx.load(exported / "mobileunet.onnx")
    key = ranges_key(model, [frame(1)], SIZE, "mse", 0)
    assert key == ranges_key(model, [frame(1)], SIZE, "mse", 0)
    other = onnx.load(exported / "mobileunet.onnx")
    other.graph.initializer[0].name += "x"
    assert key not in (
        ranges_key(other, [frame(1)], SIZE, "mse", 0),
        ranges_key(model, [frame(2)], SIZE, "mse", 0),
        ranges_key(model, [frame(1)], Size(64, 64), "mse", 0),
        ranges_key(model, [frame(1)], SIZE, "minmax", 0),
        ranges_key(model, [frame(1)], SIZE, "mse", 1),
    )


def test_what_is_saved_comes_back(own_folder: Path) -> None:
    assert load_ranges("k") is None
    save_ranges("k", {"a": 1.5})
    assert load_ranges("k") == {"a": 1.5}


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"a": "wide"}'])
def test_a_damaged_entry_is_not_there(own_folder: Path, content: str) -> None:
    save_ranges("k", {})
    (own_folder / "roadseg" / "ranges" / "k.json").write_text(content)
    assert load_ranges("k") is None


def test_a_folder_that_cannot_be_written(own_folder: Path) -> None:
    (own_folder / "roadseg").write_text("a file where the folder should be")
    save_ranges("k", {"a": 1.0})
    assert load_ranges("k") is None


def test_the_second_export_takes_the_ranges_of_the_first(
    exported: Path, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(exported / "mobileunet.onnx"), "--int8", "--max-disagreement", "100"]
    words += ["--data", "synthetic:?size=96x64", "--calib-frames", "2", "--score-frames", "1"]
    files = []
    for name in ("a", "b"):
        assert main([*words, "--out", str(own_folder / name)]) == 0
        assert ("taken from the cache" in capsys.readouterr().out) == (name == "b")
        files.append((own_folder / name / "mobileunet-int8.onnx").read_bytes())
    assert files[0] == files[1]


def test_black_frames_are_noticed() -> None:
    assert is_plain([frame(0), frame(3)])
    checker = frame(0)
    checker.frame.pixels[::2] = 200
    assert not is_plain([frame(0), checker])
