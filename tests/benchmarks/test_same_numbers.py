"""One INT8 file, the same numbers: the shipped networks on real frames, on every engine here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from roadseg.benchmarks.lowerings import Form, measure, open_forms
from roadseg.calibration import calibration_frames, conv_names
from roadseg.export.check_qdq import find_faults
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.engines.lowering import lower_for_cpu, read_ranges
from roadseg.runtime.options import Size
from roadseg.runtime.shipped import resolve_model

NETWORKS = ("mobileunet", "deeplabv3plus", "roadnet")
FRAMES = 25
SIZE = Size(1024, 512)
STEPS = {("int8", 0): 127, ("uint8", 0): 255, ("uint8", 127): 127, ("uint8", 128): 127}


def activation_ranges(model: onnx.ModelProto) -> dict[str, float]:
    """Return the range of each quantised activation, as its scale and zero point give it."""
    value = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    ranges = {}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] not in value:
            scale, zero = (value[name] for name in node.input[1:])
            name = node.output[0].removesuffix("_dq")
            if name.endswith("_moved"):  # around 128, which the bias of its reader has
                name, zero = name.removesuffix("_moved"), zero + 128
            ranges[name] = float(scale) * STEPS[str(zero.dtype), int(zero)]
    return ranges


@pytest.mark.parametrize("network", NETWORKS)
def test_the_lowering_has_the_artefacts_scales(network: str) -> None:
    artefact = read_artifact(resolve_model(f"{network}-int8"))[0]
    model = lower_for_cpu(artefact)
    canonical, lowered = activation_ranges(artefact), activation_ranges(model)
    ranges = read_ranges(artefact)
    inputs = {node.input[0].removesuffix("_dq") for node in artefact.graph.node if is_conv(node)}
    assert set(canonical) == inputs
    resized = {node.output[0]: node.input[0] for node in model.graph.node if resizes(node)}
    for name in canonical:
        assert canonical[name] == pytest.approx(ranges[name], rel=1e-6)
        source = resized.get(name, "").removesuffix("_dq")
        expected = lowered[source] if source else canonical[name]  # a resize keeps its steps
        assert lowered[name] == pytest.approx(expected, rel=1e-6)
    for name, value in lowered.items():
        if name not in resized:
            assert value == pytest.approx(ranges[name], rel=1e-6)


def is_conv(node: onnx.NodeProto) -> bool:
    return node.op_type == "Conv"


def resizes(node: onnx.NodeProto) -> bool:
    return node.op_type == "Resize"


@pytest.fixture(scope="module", params=NETWORKS)
def measured(request: pytest.FixtureRequest, data_root: Path) -> dict[tuple[str, str], Form]:
    """Both engines in each precision, on frames of CamVid's validation clip."""
    pytest.importorskip("openvino", reason="compares with OpenVINO")
    frames = calibration_frames(f"camvid:{data_root / 'camvid'}", FRAMES, "val")
    forms = open_forms(request.param, SIZE, threads=0)
    measure(forms, frames, SIZE, n=1)
    return {(form.name, form.precision): form for form in forms}


@pytest.mark.slow
def test_engines_agree_on_camvid(measured: dict[tuple[str, str], Form]) -> None:
    first, second = measured["ONNX Runtime", "INT8"], measured["OpenVINO", "INT8"]
    assert abs(100 * first.matrix.miou - 100 * second.matrix.miou) <= 0.3
    assert 100 * np.mean(second.same) >= 99.5
    assert len(second.same) == FRAMES


@pytest.mark.slow
def test_int8_is_within_half_a_point_of_float(measured: dict[tuple[str, str], Form]) -> None:
    for engine in ("ONNX Runtime", "OpenVINO"):
        whole, small = (measured[engine, precision].matrix for precision in ("float32", "INT8"))
        assert 100 * (whole.miou - small.miou) <= 0.5
        assert whole.miou > 0.6


@pytest.mark.parametrize("network", NETWORKS)
def test_at_most_a_twentieth_of_the_layers_is_float(network: str) -> None:
    model, spec = read_artifact(resolve_model(f"{network}-int8"))
    kept = spec.quantization["float_layers"]
    assert len(kept) <= 0.05 * len(conv_names(model))
    assert find_faults(model, kept) == []
