"""The gate: layers that lose most go back to float, or there is no artefact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from roadseg.calibration import calibration_frames, collect_ranges, conv_names
from roadseg.calibration.frames import LabelledFrame, network_inputs
from roadseg.export.gate import Gate, Limits
from roadseg.export.quantizer import Quantizer
from roadseg.export.scores import Score
from roadseg.export.sensitivity import layers_table, measure_layers
from roadseg.export.to_onnx import with_spec
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import CheckFailed
from roadseg.runtime.options import Size

SIZE = Size(128, 64)


def test_labels_are_gated_by_miou_and_others_by_pixels() -> None:
    limits = Limits(0.5, 5.0)
    whole, small = Score(70.0, 100.0, 99.0), Score(68.5, 97.0, 30.0)
    assert str(limits.loss(whole, small)) == "1.50 points of mIoU"
    assert not limits.loss(whole, small).is_allowed
    unlabelled = Score(None, 97.0, 30.0)
    loss = limits.loss(Score(None, 100.0, 99.0), unlabelled)
    assert str(loss) == "3.00 percent of pixels"
    assert loss.is_allowed


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
    path = Gate(Limits(1.0, 5.0), quantizer, told.append, lambda text: None).pass_through("net")
    kept = read_artifact(path)[1].quantization["float_layers"]
    assert layer in kept
    assert len(kept) <= 3
    assert "looking for the layers" in told[0]
    whole, small = quantizer.score(path)
    assert whole.miou is not None
    assert small.miou is not None
    assert whole.miou - small.miou <= 1.0


def test_layers_are_ranked_by_what_they_lose(hurt: tuple[Quantizer, str]) -> None:
    quantizer, layer = hurt
    seen: list[str] = []
    ranked = measure_layers(quantizer, seen.append)
    assert ranked[0].layer == layer
    assert [each.snr_db for each in ranked] == sorted(each.snr_db for each in ranked)
    assert sorted(each.layer for each in ranked) == sorted(conv_names(quantizer.model))
    assert ranked[0].drop is not None
    assert ranked[0].drop > ranked[-1].drop
    assert seen[-1].endswith(f"{len(ranked)}/{len(ranked)}")
    told = layers_table(ranked)
    assert ranked[0].name in told.splitlines()[1]
    assert f"… and {len(ranked) - 10} that lose less" in told


@pytest.mark.parametrize(
    ("labelled", "option"), [(True, "--max-drop"), (False, "--max-disagreement")]
)
def test_a_limit_that_cannot_be_met(
    hurt: tuple[Quantizer, str], labelled: bool, option: str
) -> None:
    quantizer, _ = hurt
    for name in quantizer.ranges:
        quantizer.ranges[name] = 4000.0  # type: ignore[index]
    if not labelled:
        frames = [LabelledFrame(each.frame, None) for each in quantizer.frames]
        quantizer = replace(quantizer, frames=frames)
    with pytest.raises(CheckFailed, match=rf"layers in float.*or allow more with {option}$"):
        Gate(Limits(0.0, 0.0), quantizer, lambda t: None, lambda t: None).pass_through("net")


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
