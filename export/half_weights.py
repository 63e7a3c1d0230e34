"""Weights kept as float16 in the file and cast to float32 when it is loaded: half the size."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SMALL = 1024  # values; what is smaller stays float32
SUFFIX = "_half"


def store_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its large float32 constants as float16 behind a Cast.

    Engines fold the Cast at load, so that speed and arithmetic are those of float32; the values
    are rounded to float16.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    casts: list[onnx.NodeProto] = []
    for tensor in made.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= SMALL:
            name, value = tensor.name, as_half(tensor)
            tensor.CopyFrom(numpy_helper.from_array(value, name + SUFFIX))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


def as_half(tensor: TensorProto) -> NDArray[np.float16]:
    """Return a constant as float16; what is too large is infinite, and the logits then show it."""
    with np.errstate(over="ignore"):
        return numpy_helper.to_array(tensor).astype(np.float16)


def restore(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its weights as float32 constants again."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    halves = {each.name: each for each in made.graph.initializer if each.name.endswith(SUFFIX)}
    for node in [node for node in made.graph.node if node.op_type == "Cast"]:
        if node.input[0] in halves:
            tensor = halves[node.input[0]]
            value = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(value, node.output[0]))
            made.graph.node.remove(node)
    return made
