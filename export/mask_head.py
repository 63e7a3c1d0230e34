"""A graph that ends in the mask itself, for users of other runtimes."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from roadseg.export.to_onnx import with_spec
from roadseg.runtime.spec import ModelSpec

MASK = "mask"


def add_mask_head(model: onnx.ModelProto, spec: ModelSpec) -> onnx.ModelProto:
    """Return the model with its logits upsampled bilinearly and the argmax taken in the graph.

    Output `mask` (1, height, width) uint8 instead of the logits: the same as the runtime's decode
    at the input's size, up to rounding of equal logits.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    logits = graph.output[0].name
    scales = np.array([1, 1, spec.stride, spec.stride], np.float32)
    graph.initializer.append(numpy_helper.from_array(scales, "head_scales"))
    graph.node.extend(
        [
            helper.make_node(
                "Resize",
                [logits, "", "head_scales"],
                ["logits_full"],
                mode="linear",
                coordinate_transformation_mode="half_pixel",
            ),
            helper.make_node("ArgMax", ["logits_full"], ["mask_wide"], axis=1, keepdims=0),
            helper.make_node("Cast", ["mask_wide"], [MASK], to=TensorProto.UINT8),
        ]
    )
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info(MASK, TensorProto.UINT8, [1, "height", "width"])
    )
    return with_spec(made, spec.replace(output="mask"))
