"""A linter for the INT8 artefact: what TensorRT refuses, and what it takes and gets wrong."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from roadseg.runtime.errors import CheckFailed


def check_qdq(model: onnx.ModelProto, float_layers: Collection[str] = ()) -> None:
    """Raise CheckFailed with the first faults, unless the model is in the canonical form.

    All scales are positive and all zero points 0; integers are int8; activations have one scale
    and weights one per output channel; the input and the weights of every convolution that is not
    in `float_layers` come from a DequantizeLinear, and no bias does.
    """
    faults = find_faults(model, float_layers)
    if faults:
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise CheckFailed(
            f"the INT8 graph is not what TensorRT takes: {'; '.join(faults[:3])}{more}"
        )


def find_faults(model: onnx.ModelProto, float_layers: Collection[str] = ()) -> list[str]:
    """Return what is not canonical, a line each."""
    constants = {each.name: each for each in model.graph.initializer}
    producer = {name: node for node in model.graph.node for name in node.output}
    faults: list[str] = []
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            faults += _pair_faults(node, constants)
        if node.op_type == "Conv":
            kept = node.output[0] in float_layers
            faults += _conv_faults(node, producer, constants, kept)
    return faults


def _pair_faults(node: onnx.NodeProto, constants: dict[str, TensorProto]) -> list[str]:
    where = f"{node.op_type} of {node.input[0]}"
    if any(name not in constants for name in node.input[1:]) or len(node.input) < 3:
        return [f"{where}: scale and zero point must be constants"]
    scale, zero = (_value(constants[name]) for name in node.input[1:3])
    faults = []
    if zero.dtype != np.int8:
        faults.append(f"{where}: {zero.dtype} instead of int8")
    if zero.any():
        faults.append(f"{where}: zero point {zero.flat[np.flatnonzero(zero)[0]]} instead of 0")
    if not (scale > 0).all():
        faults.append(f"{where}: a scale that is not positive")
    return faults


def _conv_faults(
    node: onnx.NodeProto,
    producer: dict[str, onnx.NodeProto],
    constants: dict[str, TensorProto],
    kept_float: bool,
) -> list[str]:
    sources = [producer.get(name) for name in node.input]
    is_dq = [each is not None and each.op_type == "DequantizeLinear" for each in sources]
    if kept_float:
        return [f"{node.output[0]}: is quantised and should be float"] if any(is_dq) else []
    faults = [
        f"{node.output[0]}: its {what} is not quantised"
        for what, there in zip(("input", "weight"), is_dq, strict=False)
        if not there
    ]
    if len(is_dq) > 2 and is_dq[2]:
        faults.append(f"{node.output[0]}: its bias is quantised")
    if is_dq[0]:
        faults += _activation_faults(node, sources[0], constants)
    if is_dq[1]:
        faults += _weight_faults(node, sources[1], constants)
    return faults


def _activation_faults(
    node: onnx.NodeProto, pair: onnx.NodeProto | None, constants: dict[str, TensorProto]
) -> list[str]:
    if pair is None or pair.input[1] not in constants:
        return []
    scale = _value(constants[pair.input[1]])
    return [f"{node.output[0]}: its input has {scale.size} scales"] if scale.size != 1 else []


def _weight_faults(
    node: onnx.NodeProto, pair: onnx.NodeProto | None, constants: dict[str, TensorProto]
) -> list[str]:
    if pair is None or any(name not in constants for name in pair.input[:2]):
        return [f"{node.output[0]}: its weights are not constants"]
    axis = next((a.i for a in pair.attribute if a.name == "axis"), 1)
    channels = constants[pair.input[0]].dims[0]
    size = _value(constants[pair.input[1]]).size
    if axis != 0 or size != channels:
        return [f"{node.output[0]}: {size} weight scales along axis {axis}, not {channels} along 0"]
    return []


def _value(tensor: TensorProto) -> NDArray[Any]:
    return np.asarray(numpy_helper.to_array(tensor))
