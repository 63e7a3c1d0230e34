"""The canonical INT8 form, on a network that was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from roadseg.calibration import METHODS, collect_ranges, conv_names, quantize
from roadseg.calibration.quantize import integer_weights
from roadseg.export.check_qdq import find_faults
from roadseg.runtime.engines.lowering import read_ranges


@pytest.fixture(scope="module")
def network(exported: Path) -> onnx.ModelProto:
    return onnx.load(exported / "mobileunet.onnx")


@pytest.fixture(scope="module")
def pixels(roads: Path) -> np.ndarray:
    from roadseg.data import open_dataset

    dataset = open_dataset(str(roads))
    return dataset.load(dataset.samples[0])[0]


@pytest.fixture(scope="module")
def ranges(network: onnx.ModelProto, pixels: np.ndarray) -> dict[str, float]:
    return collect_ranges(network, [pixels])


def run(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"pixels": pixels[None]})[0]


def test_the_form_is_canonical_and_close_to_float(
    network: onnx.ModelProto, ranges: dict[str, float], pixels: np.ndarray
) -> None:
    made = quantize(network, ranges)
    assert find_faults(made) == []
    expected, got = run(network, pixels), run(made, pixels)
    noise = np.square(expected - got).sum() / np.square(expected).sum()
    assert noise < 0.02
    assert (expected.argmax(1) == got.argmax(1)).mean() > 0.9
    assert read_ranges(made) == pytest.approx(ranges)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_the_classes(
    network: onnx.ModelProto, pixels: np.ndarray, method: str
) -> None:
    made = quantize(network, collect_ranges(network, [pixels], method))
    expected, got = run(network, pixels), run(made, pixels)
    assert (expected.argmax(1) == got.argmax(1)).mean() > 0.9


def test_layers_that_stay_float(
    network: onnx.ModelProto, ranges: dict[str, float], pixels: np.ndarray
) -> None:
    layers = conv_names(network)
    assert len(layers) == len(set(layers)) > 10
    made = quantize(network, ranges, layers)
    assert all(node.op_type != "QuantizeLinear" for node in made.graph.node)
    np.testing.assert_array_equal(run(made, pixels), run(network, pixels))
    assert find_faults(quantize(network, ranges, layers[:3]), layers[:3]) == []


def test_weights_of_plain_convolutions_have_7_bits_and_of_depthwise_8(
    network: onnx.ModelProto, ranges: dict[str, float]
) -> None:
    made = quantize(network, ranges)
    largest: dict[bool, int] = {True: 0, False: 0}
    for tensor in made.graph.initializer:
        if tensor.name.endswith("_int8"):
            whole = np.abs(numpy_helper.to_array(tensor).astype(int))
            is_depthwise = tensor.dims[1] == 1
            largest[is_depthwise] = max(largest[is_depthwise], int(whole.max()))
    assert largest == {False: 63, True: 127}


def test_each_channel_has_its_own_step() -> None:
    weights = np.zeros((3, 2, 1, 1), np.float32)
    weights[0, :, 0, 0] = 0.6, -1.0
    weights[1, :, 0, 0] = 100.0, 3.0
    whole, scale = integer_weights(weights)
    np.testing.assert_array_equal(whole[:, :, 0, 0], [[38, -63], [63, 2], [0, 0]])
    np.testing.assert_allclose(scale[:2] * 63, [1.0, 100.0], rtol=1e-6)
    assert scale[2] > 0
