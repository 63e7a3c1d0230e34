"""Files for other runtimes: the same masks as the ONNX artefact, or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from roadseg.export import targets
from roadseg.export.cli import main
from roadseg.export.options import TARGET_NAMES
from roadseg.runtime.artifact import read_artifact, read_spec_beside
from roadseg.runtime.cli import main as seg_run
from roadseg.runtime.engines import open_engine
from roadseg.runtime.errors import ModelError, UsageError
from roadseg.runtime.options import Size

Told = pytest.CaptureFixture[str]
pytest.importorskip("openvino", reason="openvino is not installed")


@pytest.fixture(scope="module")
def folder(exported: Path, roads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("targets")
    words = [str(exported / "mobileunet.onnx"), "--int8", "--to", "openvino", "--max-drop", "100"]
    assert main([*words, "--data", str(roads), "--out", str(out)]) == 0
    return out


def test_the_files_and_their_spec(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} >= {
        *("mobileunet-int8.xml", "mobileunet-int8.bin", "mobileunet-int8.json", "export.html"),
        *("mobileunet.onnx", "mobileunet-int8.onnx"),
    }
    spec = read_spec_beside(folder / "mobileunet-int8.xml")
    assert spec == read_artifact(folder / "mobileunet-int8.onnx")[1]


@pytest.mark.parametrize("size", [None, Size(192, 128)])
def test_an_engine_opens_it_at_any_size(folder: Path, size: Size | None) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (128, 192, 3)).astype(np.uint8)
    logits = []
    for name in ("mobileunet-int8.onnx", "mobileunet-int8.xml"):
        engine = open_engine(folder / name, "openvino", size)
        assert engine.name == "openvino"
        engine.input[:] = pixels[: engine.height, : engine.width]
        logits.append(engine.infer().copy())
    assert (logits[0].argmax(0) == logits[1].argmax(0)).mean() > 0.995


def test_seg_run_takes_it(folder: Path, images: Path, tmp_path: Path) -> None:
    model = str(folder / "mobileunet-int8.xml")
    assert seg_run([model, str(images), "--masks", str(tmp_path / "masks")]) == 0
    assert len(list((tmp_path / "masks").iterdir())) == 2


@pytest.fixture
def images(tmp_path: Path) -> Path:
    import cv2

    (tmp_path / "in").mkdir()
    for number in range(2):
        cv2.imwrite(str(tmp_path / "in" / f"{number}.png"), np.zeros((40, 60, 3), np.uint8))
    return tmp_path / "in"


def test_bad_files_of_openvino(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "mobileunet-int8.xml").read_text()
    path = tmp_path / "net.xml"
    path.write_text(whole)
    with pytest.raises(ModelError, match=r"its ModelSpec net\.json is not beside it"):
        open_engine(path)
    (tmp_path / "net.json").write_text("{")
    with pytest.raises(ModelError, match="its ModelSpec cannot be read"):
        open_engine(path)
    (tmp_path / "net.json").write_bytes((folder / "mobileunet-int8.json").read_bytes())
    with pytest.raises(ModelError, match="OpenVINO cannot load it"):
        open_engine(path)  # the weights are missing
    path.write_text(whole[:500])
    with pytest.raises(ModelError, match="OpenVINO cannot load it"):
        open_engine(path)
    with pytest.raises(UsageError, match="runs on openvino alone, not on onnxruntime"):
        open_engine(folder / "mobileunet-int8.xml", "onnxruntime")


def test_a_target_that_computes_something_else(
    exported: Path, roads: Path, tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(targets.OpenVinoTarget):
        def convert(self, artifact: Path, out: Path) -> str:
            return super().convert(exported / "mobileunet-int8.onnx", out)

    monkeypatch.setattr(targets, "LEAST_AGREEMENT", 100.0)
    monkeypatch.setitem(targets.TARGETS, "openvino", Wrong())
    words = [str(exported / "mobileunet.onnx"), "--to", "openvino", "--data", str(roads)]
    assert main([*words, "--out", str(tmp_path)]) == 1
    assert "of pixels agree with mobileunet.onnx, 100 are needed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_names(capsys: Told) -> None:
    assert set(TARGET_NAMES) == set(targets.TARGETS)
    assert main(["mobileunet", "--to", "tflite"]) == 2
    assert "unknown target 'tflite': known are openvino" in capsys.readouterr().err
