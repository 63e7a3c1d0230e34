"""float16: types throughout, logits that hardly change, and values that would overflow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, shape_inference

from roadseg.export.cli import main
from roadseg.export.options import ExportOptions
from roadseg.export.run import float_spec
from roadseg.export.scores import snr_db
from roadseg.export.to_fp16 import check_overflow, to_fp16
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import CheckFailed
from roadseg.runtime.options import Size


def test_every_float_between_pixels_and_logits_is_half(exported: Path) -> None:
    model = to_fp16(onnx.load(exported / "mobileunet.onnx"))
    onnx.checker.check_model(model, full_check=True)
    inferred = shape_inference.infer_shapes(model, strict_mode=True)
    types = {each.name: each.type.tensor_type.elem_type for each in inferred.graph.value_info}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) > 10
    assert {types[node.output[0]] for node in convolutions} == {TensorProto.FLOAT16}
    assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert model.graph.output[0].name == "logits"


def test_logits_hardly_change(exported: Path) -> None:
    model = onnx.load(exported / "mobileunet.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 128, 3)).astype(np.uint8)
    logits = []
    for each in (model, to_fp16(model)):
        session = onnxruntime.InferenceSession(
            each.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        logits.append(session.run(None, {"pixels": pixels})[0])
    assert logits[1].dtype == np.float32
    assert 45 < snr_db(*logits) < 100


def test_values_near_the_end_of_float16_are_refused() -> None:
    check_overflow({"a": 6.0, "b": 1000.0})
    with pytest.raises(CheckFailed, match=r"'b' reaches 20000: float16 ends at 65504"):
        check_overflow({"a": 6.0, "b": 20000.0})


def test_the_command_writes_it(
    exported: Path, roads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(exported / "mobileunet.onnx"), "--fp16", "--int8", "--max-drop", "100"]
    assert main([*words, "--data", str(roads), "--out", str(tmp_path)]) == 0
    assert "float16; largest activation" in capsys.readouterr().out
    spec = read_artifact(tmp_path / "mobileunet-fp16.onnx")[1]
    assert spec.precision == "float16"
    assert read_artifact(tmp_path / "mobileunet.onnx")[1].metrics["miou_val"] > 0
    for kind in ("fp16", "int8"):  # their accuracy was not measured on all of val
        assert read_artifact(tmp_path / f"mobileunet-{kind}.onnx")[1].metrics == {}
    assert "mobileunet-fp16" in (tmp_path / "export.html").read_text()


@pytest.mark.parametrize("change", [{"size": Size(256, 128)}, {"half_weights": True}])
def test_another_size_and_rounded_weights_have_no_metrics_yet(
    exported: Path, change: dict[str, Any]
) -> None:
    path = exported / "mobileunet.onnx"
    spec = read_artifact(path)[1]
    options = ExportOptions(model=str(path))
    assert float_spec(options, spec, path).metrics == spec.metrics != {}
    assert float_spec(replace(options, **change), spec, path).metrics == {}
