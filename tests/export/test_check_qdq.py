"""The linter names each way in which an INT8 graph is not canonical."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from roadseg.export.check_qdq import check_qdq, find_faults
from roadseg.runtime.errors import CheckFailed


@pytest.fixture
def graph(exported: Path) -> onnx.ModelProto:
    return onnx.load(exported / "mobileunet-int8.onnx")


def replace(model: onnx.ModelProto, name: str, value: np.ndarray | np.generic) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), name))


def first(model: onnx.ModelProto, kind: str, place: int = 0) -> onnx.NodeProto:
    return [node for node in model.graph.node if node.op_type == kind][place]


def zero_point(model: onnx.ModelProto) -> None:
    replace(model, first(model, "QuantizeLinear").input[2], np.int8(3))


def unsigned(model: onnx.ModelProto) -> None:
    replace(model, first(model, "QuantizeLinear").input[2], np.uint8(0))


def no_step(model: onnx.ModelProto) -> None:
    replace(model, first(model, "QuantizeLinear").input[1], np.float32(0))


def per_channel_activation(model: onnx.ModelProto) -> None:
    pair = first(model, "QuantizeLinear")
    replace(model, pair.input[1], np.full(3, 0.1, np.float32))
    replace(model, pair.input[2], np.zeros(3, np.int8))


def weight_of_first_conv(model: onnx.ModelProto) -> onnx.NodeProto:
    conv = first(model, "Conv")
    return next(node for node in model.graph.node if node.output[0] == conv.input[1])


def wrong_axis(model: onnx.ModelProto) -> None:
    weight_of_first_conv(model).attribute[0].i = 1


def one_weight_scale(model: onnx.ModelProto) -> None:
    pair = weight_of_first_conv(model)
    replace(model, pair.input[1], np.float32(0.1))
    replace(model, pair.input[2], np.int8(0))


def float_input(model: onnx.ModelProto) -> None:
    conv = first(model, "Conv", 3)
    pair = next(node for node in model.graph.node if node.output[0] == conv.input[0])
    source = next(node for node in model.graph.node if node.output[0] == pair.input[0])
    conv.input[0] = source.input[0]


def quantised_bias(model: onnx.ModelProto) -> None:
    conv = next(node for node in model.graph.node if node.op_type == "Conv" and len(node.input) > 2)
    weights = next(node for node in model.graph.node if node.output[0] == conv.input[1])
    made = helper.make_node("DequantizeLinear", list(weights.input), ["bias_dq"], axis=0)
    model.graph.node.insert(0, made)
    conv.input[2] = "bias_dq"


def computed_scale(model: onnx.ModelProto) -> None:
    first(model, "QuantizeLinear").input[1] = "somewhere"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (zero_point, "zero point 3 instead of 0"),
        (unsigned, "uint8 instead of int8"),
        (no_step, "a scale that is not positive"),
        (per_channel_activation, "its input has 3 scales"),
        (wrong_axis, "weight scales along axis 1"),
        (one_weight_scale, "1 weight scales along axis 0"),
        (float_input, "its input is not quantised"),
        (quantised_bias, "its bias is quantised"),
        (computed_scale, "must be constants"),
    ],
)
def test_each_fault_is_found(
    graph: onnx.ModelProto, damage: Callable[[onnx.ModelProto], None], message: str
) -> None:
    assert find_faults(graph) == []
    damage(graph)
    with pytest.raises(CheckFailed, match=message):
        check_qdq(graph)


def test_a_layer_that_should_be_float(graph: onnx.ModelProto) -> None:
    layer = first(graph, "Conv").output[0]
    with pytest.raises(CheckFailed, match="is quantised and should be float"):
        check_qdq(graph, [layer])


def test_many_faults_are_counted(graph: onnx.ModelProto) -> None:
    for node in graph.graph.node:
        if node.op_type == "QuantizeLinear":
            replace(graph, node.input[1], np.float32(-1))
    with pytest.raises(CheckFailed, match=r"and \d+ more"):
        check_qdq(graph)
