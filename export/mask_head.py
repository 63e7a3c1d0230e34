"""A graph that ends in the mask itself, for users of other runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from roadseg.calibration.frames import LabelledFrame, network_inputs
from roadseg.export.to_onnx import with_spec
from roadseg.runtime.decode import decode
from roadseg.runtime.options import Size
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


def mask_agreement(
    logits_path: Path, mask_path: Path, frames: Sequence[LabelledFrame], size: Size
) -> float:
    """Return the percent of pixels in which a mask head and the runtime's decode agree.

    Both graphs are run as they are in their files, so that only the head differs.
    """
    sessions = [
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for path in (logits_path, mask_path)
    ]
    mask = np.empty((size.height, size.width), np.uint8)
    shares = []
    for pixels in network_inputs(frames, size):
        logits, baked = (session.run(None, {"pixels": pixels[None]})[0][0] for session in sessions)
        shares.append((decode(logits, mask) == baked).mean())
    return 100 * float(np.mean(shares))
