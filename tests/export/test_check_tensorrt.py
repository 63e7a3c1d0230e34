"""The linter beside TensorRT's own parser: what that refuses, and what it takes all the same."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from roadseg.export.check_dla import dla_warnings
from roadseg.export.check_tensorrt import check_tensorrt, find_tensorrt_faults
from roadseg.export.half_weights import restore
from roadseg.export.to_fp16 import to_fp16
from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size
from roadseg.runtime.shipped import shipped_models
from roadseg.runtime.tensorrt.builder import PlanBuilder
from roadseg.runtime.tensorrt.options import PlanOptions

SIZE = Size(64, 32)


def shipped(name: str) -> onnx.ModelProto:
    return onnx.load(shipped_models()[name])


def first(model: onnx.ModelProto, kind: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == kind)


def set_constant(model: onnx.ModelProto, name: str, value: Any) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), name))


def set_attribute(node: onnx.NodeProto, name: str, value: Any) -> None:
    kept = [each for each in node.attribute if each.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def weight_pair(model: onnx.ModelProto) -> onnx.NodeProto:
    conv = first(model, "Conv")
    return next(node for node in model.graph.node if node.output[0] == conv.input[1])


def zero_point(model: onnx.ModelProto) -> None:
    set_constant(model, first(model, "QuantizeLinear").input[2], np.int8(3))


def unsigned(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            set_constant(model, node.input[2], np.uint8(128))


def no_step(model: onnx.ModelProto) -> None:
    set_constant(model, first(model, "QuantizeLinear").input[1], np.float32(0))


def integer_bias(model: onnx.ModelProto) -> None:
    conv = next(node for node in model.graph.node if node.op_type == "Conv" and len(node.input) > 2)
    bias = next(each for each in model.graph.initializer if each.name == conv.input[2])
    size = bias.dims[0]
    for name, value in {
        "bias_q": np.ones(size, np.int32),
        "bias_scale": np.ones(size, np.float32),
        "bias_zero": np.zeros(size, np.int32),
    }.items():
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    made = helper.make_node(
        "DequantizeLinear", ["bias_q", "bias_scale", "bias_zero"], ["bias_dq"], axis=0
    )
    model.graph.node.insert(0, made)
    conv.input[2] = "bias_dq"


def scale_per_channel(model: onnx.ModelProto) -> None:
    pair = first(model, "QuantizeLinear")
    back = next(node for node in model.graph.node if pair.output[0] in node.input)
    for node in (pair, back):
        set_attribute(node, "axis", 1)
    set_constant(model, pair.input[1], np.full(3, 0.01, np.float32))
    set_constant(model, pair.input[2], np.zeros(3, np.int8))


def wrong_axis(model: onnx.ModelProto) -> None:
    """Weights of as many inputs as outputs: both axes fit, one is right."""
    pair = weight_pair(model)
    weights = next(each for each in model.graph.initializer if each.name == pair.input[0])
    channels = weights.dims[1]
    set_attribute(pair, "axis", 1)
    set_constant(model, pair.input[1], np.full(channels, 0.01, np.float32))
    set_constant(model, pair.input[2], np.zeros(channels, np.int8))


def coordinates(name: str) -> Callable[[onnx.ModelProto], None]:
    def damage(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = 19
        node = first(model, "Resize")
        set_attribute(node, "coordinate_transformation_mode", name)
        if name == "tf_crop_and_resize":
            roi = np.array([0, 0, 0, 0, 1, 1, 1, 1], np.float32)
            model.graph.initializer.append(numpy_helper.from_array(roi, "roi"))
            node.input[1] = "roi"

    return damage


def antialias(model: onnx.ModelProto) -> None:
    set_attribute(first(model, "Resize"), "antialias", 1)


def aspect(model: onnx.ModelProto) -> None:
    set_attribute(first(model, "Resize"), "keep_aspect_ratio_policy", "not_larger")


CASES = [
    (zero_point, "zero point 3 instead of 0", False),
    (unsigned, "uint8 instead of int8", False),
    (no_step, "a scale that is not positive", False),
    (integer_bias, "its bias is quantised", False),
    (scale_per_channel, "its input has 3 scales", True),
    (wrong_axis, "weight scales along axis 1", True),
    (coordinates("half_pixel_symmetric"), "coordinates half_pixel_symmetric are refused", False),
    (coordinates("tf_crop_and_resize"), "coordinates tf_crop_and_resize are refused", False),
    (antialias, "antialias is refused", False),
    (aspect, "keep_aspect_ratio_policy not_larger is refused", False),
]


@pytest.mark.parametrize(("damage", "message", "taken"), CASES, ids=[case[1] for case in CASES])
def test_each_fault(damage: Callable[[onnx.ModelProto], None], message: str, taken: bool) -> None:
    model = shipped("deeplabv3plus-int8")
    assert find_tensorrt_faults(model, ["pixels"]) == []
    damage(model)
    with pytest.raises(ModelError, match=f"net is nothing for TensorRT: .*{message}"):
        check_tensorrt(model, "net", ["pixels"])
    if importlib.util.find_spec("tensorrt_rtx") is not None:
        assert parser_takes(model) is taken


def parser_takes(model: onnx.ModelProto) -> bool:
    """Whether TensorRT's own parser takes a model."""
    import tensorrt_rtx

    builder = PlanBuilder(tensorrt_rtx, "net", PlanOptions.of_size(SIZE))
    try:
        builder.parse(model.SerializeToString())
    except ModelError:
        return False
    return True


@pytest.mark.parametrize("name", shipped_models())
def test_shipped_networks_have_no_fault(name: str) -> None:
    assert find_tensorrt_faults(shipped(name), ["pixels"]) == []
    assert find_tensorrt_faults(shipped(name)) == [
        "input pixels: sizes that are not fixed need an optimisation profile"
    ]


def test_a_layer_is_quantised_as_a_whole_or_not_at_all() -> None:
    model = shipped("mobileunet-int8")
    conv = first(model, "Conv")
    origin = {node.output[0]: node for node in model.graph.node}
    conv.input[0] = origin[origin[conv.input[0]].input[0]].input[0]
    assert "its input is not quantised" in find_tensorrt_faults(model, ["pixels"])[0]
    weights = numpy_helper.from_array(np.ones((32, 3, 6, 6), np.float32), "float_weights")
    model.graph.initializer.append(weights)
    conv.input[1] = "float_weights"
    assert find_tensorrt_faults(model, ["pixels"]) == []


def test_the_dla_on_shipped_networks() -> None:
    half = to_fp16(restore(shipped("mobileunet")))
    assert dla_warnings(half, Size(1024, 512)) == [
        "Cast (2 of them): the DLA has none",
        "Transpose (1 of them): the DLA has none",
    ]
    told = dla_warnings(shipped("deeplabv3plus"), Size(1024, 512))
    assert "GlobalAveragePool (1 of them): the DLA has none" in told


def large_scale(model: onnx.ModelProto) -> None:
    set_constant(model, first(model, "Resize").input[2], np.array([1, 1, 8, 8], np.float32))


def broken_scale(model: onnx.ModelProto) -> None:
    set_constant(model, first(model, "Resize").input[2], np.array([1, 1, 1.5, 2], np.float32))


def channel_scale(model: onnx.ModelProto) -> None:
    set_constant(model, first(model, "Resize").input[2], np.array([1, 2, 2, 2], np.float32))


def cubic(model: onnx.ModelProto) -> None:
    set_attribute(first(model, "Resize"), "mode", "cubic")


def computed_scales(model: onnx.ModelProto) -> None:
    first(model, "Resize").input[2] = "somewhere"


def wide_stride(model: onnx.ModelProto) -> None:
    set_attribute(first(model, "Conv"), "strides", [9, 9])


def rows(model: onnx.ModelProto) -> None:
    set_attribute(first(model, "Concat"), "axis", 2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (large_scale, "whole ones of 1 to 4 can be"),
        (broken_scale, "whole ones of 1 to 4 can be"),
        (channel_scale, "whole ones of 1 to 4 can be"),
        (cubic, "mode cubic, nearest and linear can be"),
        (coordinates("asymmetric"), "linear with coordinates asymmetric"),
        (computed_scales, "its scales are not constants"),
        (wide_stride, "strides [9, 9] over 8"),
        (rows, "along axis 2, channels alone can be"),
    ],
)
def test_each_limit_of_the_dla(damage: Callable[[onnx.ModelProto], None], message: str) -> None:
    model = to_fp16(restore(shipped("deeplabv3plus")))
    before = dla_warnings(model, SIZE)
    damage(model)
    added = [line for line in dla_warnings(model, SIZE) if line not in before]
    assert added
    assert all(message in line for line in added)


def test_float32_and_large_inputs_for_the_dla() -> None:
    model = shipped("mobileunet-int8")
    told = dla_warnings(restore(shipped("deeplabv3plus")), Size(8224, 512))
    assert told[0] == "input 8224x512: a side over 8192"
    assert "weights are float32: use --fp16" in told[1]
    assert not any("weights are float32" in line for line in dla_warnings(model, SIZE))
