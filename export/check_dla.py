"""Warnings for the DLA of a Jetson: what will run on the GPU instead, known before a build.

The limits are those of NVIDIA's "DLA Supported Layers and Restrictions"; they were not tried on a
device. A plan's placement report says what a build really did.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from roadseg.runtime.options import Size

LAYERS = frozenset(
    {
        *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "Concat", "Resize", "Slice"),
        *("Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "PRelu", "Softmax"),
        *("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Abs"),
    }
)
NO_LAYERS = frozenset({"QuantizeLinear", "DequantizeLinear", "Constant", "Identity"})
LARGEST_SIDE = 8192
LARGEST_KERNEL, LARGEST_STRIDE, LARGEST_PAD, LARGEST_DILATION = 32, 8, 31, 32
LARGEST_SCALE = {"nearest": 32, "linear": 4}


def dla_warnings(model: onnx.ModelProto, size: Size) -> list[str]:
    """Return which nodes a DLA cannot run, a line each.

    size: of the input.
    """
    constants = {each.name: each for each in model.graph.initializer}
    warnings = [f"input {size}: a side over {LARGEST_SIDE}"] * (
        max(size.width, size.height) > LARGEST_SIDE
    )
    warnings += _float32_warning(constants)
    missing = Counter(
        node.op_type for node in model.graph.node if node.op_type not in LAYERS | NO_LAYERS
    )
    warnings += [f"{kind} ({count} of them): the DLA has none" for kind, count in missing.items()]
    for node in model.graph.node:
        rule = RULES.get(node.op_type)
        if rule is not None:
            name = f"{node.op_type} {node.output[0]}"
            warnings += [f"{name}: {why}" for why in rule(node, constants)]
    return warnings


def _float32_warning(constants: dict[str, TensorProto]) -> list[str]:
    """A DLA computes in float16 and INT8; strong typing leaves float32 layers to the GPU."""
    large = [each for each in constants.values() if len(each.dims) == 4]
    count = sum(each.data_type == TensorProto.FLOAT for each in large)
    return [f"{count} of {len(large)} weights are float32: use --fp16"] if count else []


def _conv_rule(node: onnx.NodeProto, constants: dict[str, TensorProto]) -> list[str]:
    values = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    limits = {
        "kernel_shape": LARGEST_KERNEL,
        "strides": LARGEST_STRIDE,
        "pads": LARGEST_PAD,
        "dilations": LARGEST_DILATION,
    }
    return [
        f"{name} {list(values[name])} over {most}"
        for name, most in limits.items()
        if max(values.get(name, [0])) > most
    ]


def _concat_rule(node: onnx.NodeProto, constants: dict[str, TensorProto]) -> list[str]:
    axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
    return [] if axis in (1, -3) else [f"along axis {axis}, channels alone can be"]


def _resize_rule(node: onnx.NodeProto, constants: dict[str, TensorProto]) -> list[str]:
    values = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    mode = values.get("mode", b"nearest").decode()
    coordinates = values.get("coordinate_transformation_mode", b"half_pixel").decode()
    if mode not in LARGEST_SCALE:
        return [f"mode {mode}, nearest and linear can be"]
    faults = []
    if mode == "linear" and coordinates != "half_pixel":
        faults.append(f"linear with coordinates {coordinates}, half_pixel can be")
    if len(node.input) < 3 or node.input[2] not in constants:
        return [*faults, "its scales are not constants"]
    scales = _value(constants[node.input[2]])
    most = LARGEST_SCALE[mode]
    whole = (scales == scales.round()).all() and (scales >= 1).all() and (scales <= most).all()
    if scales.size != 4 or not whole or (scales[:2] != 1).any():
        faults.append(f"scales {scales.tolist()}, whole ones of 1 to {most} can be")
    return faults


RULES = {"Conv": _conv_rule, "Concat": _concat_rule, "Resize": _resize_rule}


def _value(tensor: TensorProto) -> NDArray[Any]:
    return np.asarray(numpy_helper.to_array(tensor))
