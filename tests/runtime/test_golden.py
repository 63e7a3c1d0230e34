"""The golden frame: stored by the export, run by any engine, and telling when masks are off."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from roadseg.runtime.artifact import read_graph
from roadseg.runtime.cli import main
from roadseg.runtime.engines import installed_engines
from roadseg.runtime.errors import ModelError
from roadseg.runtime.golden import GOLDEN_KEY, golden_picture, read_golden

Told = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", ["mobileunet", "mobileunet-int8"])
def test_every_engine_passes(exported: Path, name: str, capsys: Told) -> None:
    for engine in installed_engines():
        assert main([str(exported / f"{name}.onnx"), "--selftest", "--engine", engine]) == 0
        told = capsys.readouterr().out
        assert f"on {engine} at 128x64" in told
        assert "ms a frame" in told


def changed(exported: Path, folder: Path, value: str | None) -> Path:
    model = onnx.load(exported / "mobileunet.onnx")
    kept = [entry for entry in model.metadata_props if entry.key != GOLDEN_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    if value is not None:
        entry = model.metadata_props.add()
        entry.key, entry.value = GOLDEN_KEY, value
    path = folder / "changed.onnx"
    onnx.save(model, path)
    return path


def test_a_network_that_computes_something_else_fails(
    exported: Path, tmp_path: Path, capsys: Told
) -> None:
    model = onnx.load(exported / "mobileunet.onnx")
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 4 and tensor.dims[0] == 11:
            weights = numpy_helper.to_array(tensor)[::-1].copy()
            tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    onnx.save(model, tmp_path / "broken.onnx")
    assert main([str(tmp_path / "broken.onnx"), "--selftest"]) == 1
    assert "% of pixels agree, 98 are needed" in capsys.readouterr().err


def test_the_frame_is_small_and_rendered(exported: Path) -> None:
    golden = read_golden(read_graph(exported / "mobileunet.onnx"), "x")
    assert golden.picture.shape == (128, 256, 3)
    assert golden.mask.shape == (128, 256)
    assert np.abs(golden.picture.astype(int) - golden_picture()).mean() < 1
    assert len(golden.to_json()) < 150_000


@pytest.mark.parametrize(
    "value",
    ["", "{}", '{"frame": "AA==", "mask": "AA==", "size": "128x64"}', "[]", '{"frame": 3}'],
)
def test_a_damaged_golden_frame(exported: Path, tmp_path: Path, capsys: Told, value: str) -> None:
    path = changed(exported, tmp_path, value)
    assert main([str(path), "--selftest"]) == 2
    assert "its golden frame is damaged" in capsys.readouterr().err


def test_a_mask_of_another_size(exported: Path) -> None:
    raw = json.loads(read_golden(read_graph(exported / "mobileunet.onnx"), "x").to_json())
    raw["mask"] = json.loads(read_golden(read_graph(exported / "mobileunet.onnx"), "x").to_json())[
        "frame"
    ]
    model = onnx.ModelProto()
    entry = model.metadata_props.add()
    entry.key, entry.value = GOLDEN_KEY, json.dumps(raw)
    with pytest.raises(ModelError, match="is damaged"):
        read_golden(model, "x")


def test_without_a_golden_frame_or_with_a_source(
    exported: Path, tmp_path: Path, capsys: Told
) -> None:
    assert main([str(changed(exported, tmp_path, None)), "--selftest"]) == 2
    assert "has no golden frame: export it again" in capsys.readouterr().err
    assert main(["mobileunet.onnx", "synthetic:", "--selftest"]) == 2
    assert "takes a model and no source" in capsys.readouterr().err
