"""float16 as casts in the graph: the form that strongly typed TensorRT networks need."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from roadseg.export.half_weights import as_half
from roadseg.runtime.errors import CheckFailed

LARGEST = float(np.finfo(np.float16).max)
HEADROOM = 4.0  # frames that were not seen may reach this much further
KEPT_INPUTS = {"Resize": (1, 2, 3)}  # inputs that stay float32 in every type


def check_overflow(ranges: Mapping[str, float]) -> None:
    """Raise CheckFailed when a tensor came near float16's largest value on calibration frames."""
    name, largest = max(ranges.items(), key=lambda pair: pair[1])
    if largest * HEADROOM > LARGEST:
        raise CheckFailed(
            f"'{name}' reaches {largest:.0f}: float16 ends at {LARGEST:.0f} and needs "
            f"a headroom of {HEADROOM:g}; export with --int8, or train again with weight decay"
        )


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with float16 arithmetic from the pixels' cast to a last cast of the logits.

    Inputs and outputs keep their types: 8-bit pixels in, float32 logits out.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    del graph.value_info[:]  # types that no longer hold
    kept = {
        name
        for node in graph.node
        for place, name in enumerate(node.input)
        if place in KEPT_INPUTS.get(node.op_type, ())
    }
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in kept:
            tensor.CopyFrom(numpy_helper.from_array(as_half(tensor), tensor.name))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to":
                attribute.i = TensorProto.FLOAT16
    _cast_output(graph)
    return made


def _cast_output(graph: onnx.GraphProto) -> None:
    """End in a cast to float32 under the output's name."""
    name = graph.output[0].name
    for node in graph.node:
        for place, output in enumerate(node.output):
            if output == name:
                node.output[place] = f"{name}_half"
    graph.node.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
