"""The gate: layers that lose most go back to float, or there is no artefact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from roadseg.calibration import calibration_frames, collect_ranges, conv_names
from roadseg.calibration.frames import LabelledFrame, network_inputs
from roadseg.export.gate import Limits, Quantizer, quantize_within
from roadseg.export.scores import Score
from roadseg.export.to_onnx import with_spec
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import CheckFailed
from roadseg.runtime.options import Size

SIZE = Size(128, 64)


def test_labels_are_gated_by_miou_and_others_by_pixels() -> None:
    limits = Limits(0.5, 5.0)
    whole, small = Score(70.0, 100.0, 99.0), Score(68.5, 97.0, 30.0)
    assert limits.loss(whole, small) == (1.5, 0.5, "points of mIoU")
    unlabelled = Score(None, 97.0, 30.0)
    assert limits.loss(Score(None, 100.0, 99.0), unlabelled) == (3.0, 5.0, "percent of pixels")


@pytest.fixture
def frames(roads: Path) -> list[LabelledFrame]:
    return calibration_frames(str(roads), 6, "all")


@pytest.fixture
def hurt(exported: Path, frames: list[LabelledFrame], tmp_path: Path) -> tuple[Quantizer, str]:
    """A network in which one layer's range is a hundred times too large: it alone fails in INT8."""
    path = exported / "mobileunet.onnx"
    model, spec = read_artifact(path)
    ranges = collect_ranges(model, network_inputs(frames, SIZE))
    layer = conv_names(model)[-3]
    node = next(node for node in model.graph.node if node.output[0] == layer)
    ranges[node.input[0]] *= 400
    spec = spec.replace(precision="int8")
    return Quantizer(model, path, spec, ranges, frames, SIZE, tmp_path), layer


def test_the_one_bad_layer_is_found(hurt: tuple[Quantizer, str]) -> None:
    quantizer, layer = hurt
    told: list[str] = []
    path = quantize_within(Limits(1.0, 5.0), quantizer, "net", told.append, lambda text: None)
    kept = read_artifact(path)[1].quantization["float_layers"]
    assert layer in kept
    assert len(kept) <= 4
    assert "looking for the layers" in told[0]
    whole, small = quantizer.score(path, quantizer.frames)
    assert whole.miou is not None
    assert small.miou is not None
    assert whole.miou - small.miou <= 1.0


def test_layers_are_ranked_by_what_they_lose(hurt: tuple[Quantizer, str]) -> None:
    quantizer, layer = hurt
    ranked = quantizer.sensitivity(lambda text: None)
    assert ranked[0][0] == layer
    assert [ratio for _, ratio in ranked] == sorted(ratio for _, ratio in ranked)
    assert len(ranked) == len(conv_names(quantizer.model))


def test_a_limit_that_cannot_be_met(hurt: tuple[Quantizer, str]) -> None:
    quantizer, _ = hurt
    for name in quantizer.ranges:
        quantizer.ranges[name] = 4000.0  # type: ignore[index]
    with pytest.raises(CheckFailed, match=r"layers in float.*or allow more with --max-drop"):
        quantize_within(Limits(0.0, 0.0), quantizer, "net", lambda t: None, lambda t: None)


def test_a_score_can_tell_networks_apart(
    exported: Path, frames: list[LabelledFrame], tmp_path: Path
) -> None:
    path = exported / "mobileunet.onnx"
    model, spec = read_artifact(path)
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 4 and tensor.dims[0] == 11:
            weights = numpy_helper.to_array(tensor)[::-1].copy()
            tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    onnx.save(with_spec(model, spec), tmp_path / "swapped.onnx")
    from roadseg.export.scores import score

    both = score({"a": path, "b": tmp_path / "swapped.onnx"}, frames, SIZE, "onnxruntime")
    assert both["a"].agreement == 100
    assert both["a"].snr_db == float("inf")
    assert both["b"].agreement < 50
    assert both["b"].snr_db < 10
    assert np.isfinite(both["b"].snr_db)
