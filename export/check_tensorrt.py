"""A linter for TensorRT: what its parser refuses, and what it takes and gets wrong.

The Q/DQ rules are check_qdq's. A scale for each channel of an activation and weights scaled along
the wrong axis are taken without a word, and the masks are wrong: no parser replaces this check.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx

from roadseg.export.check_qdq import find_faults
from roadseg.runtime.errors import ModelError

REFUSED_COORDINATES = frozenset({"half_pixel_symmetric", "tf_crop_and_resize"})
MANY = 3  # faults that a message shows


def check_tensorrt(model: onnx.ModelProto, where: object, profiled: Collection[str] = ()) -> None:
    """Raise ModelError with the first faults of a graph that TensorRT does not run rightly.

    where: names the graph in the message.
    profiled: inputs whose sizes an optimisation profile gives.
    """
    faults = find_tensorrt_faults(model, profiled)
    if faults:
        more = f" (and {len(faults) - MANY} more)" if len(faults) > MANY else ""
        raise ModelError(f"{where} is nothing for TensorRT: {'; '.join(faults[:MANY])}{more}")


def find_tensorrt_faults(model: onnx.ModelProto, profiled: Collection[str] = ()) -> list[str]:
    """Return what TensorRT refuses or gets wrong, a line each."""
    faults = _dynamic_inputs(model.graph, profiled)
    if any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        faults += find_faults(model, _float_layers(model.graph))
    for node in model.graph.node:
        if node.op_type == "Resize":
            faults += [f"Resize {node.output[0]}: {why}" for why in _resize_faults(node)]
    return faults


def _dynamic_inputs(graph: onnx.GraphProto, profiled: Collection[str]) -> list[str]:
    constants = {tensor.name for tensor in graph.initializer}
    return [
        f"input {entry.name}: sizes that are not fixed need an optimisation profile"
        for entry in graph.input
        if entry.name not in (*profiled, *constants)
        and any(not side.dim_value for side in entry.type.tensor_type.shape.dim)
    ]


def _float_layers(graph: onnx.GraphProto) -> set[str]:
    """Return the convolutions with nothing quantised: they were kept in float on purpose."""
    quantised = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    return {
        node.output[0]
        for node in graph.node
        if node.op_type == "Conv" and not quantised & set(node.input)
    }


def _resize_faults(node: onnx.NodeProto) -> list[str]:
    values = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    coordinates = values.get("coordinate_transformation_mode", b"half_pixel").decode()
    policy = values.get("keep_aspect_ratio_policy", b"stretch").decode()
    faults = []
    if coordinates in REFUSED_COORDINATES:
        faults.append(f"coordinates {coordinates} are refused")
    if values.get("antialias", 0):
        faults.append("antialias is refused")
    if policy != "stretch":
        faults.append(f"keep_aspect_ratio_policy {policy} is refused")
    return faults
