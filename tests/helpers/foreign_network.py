"""A network as other tools write them, to make artefacts of."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

CLASSES = [
    {"name": "road", "color": [128, 64, 128], "drivable": True},
    {"name": "grass", "color": [0, 200, 0]},
    {"name": "sky", "color": [70, 130, 180]},
]
DESCRIBED = {
    "classes": CLASSES,
    "mean": [103.53, 116.28, 123.675],
    "scale": [57.375, 57.12, 58.395],
    "color_order": "BGR",
    "width": 96,
    "height": 64,
}
FRAMES = ["--data", "synthetic:?size=96x64", "--calib-frames", "2", "--score-frames", "1"]


def network(sides: tuple[Any, ...] = ("batch", 3, "h", "w"), opset: int = 17) -> onnx.ModelProto:
    """A small network as other tools write them: floats in planes, logits at full size."""
    values = np.random.default_rng(0)

    def weights(name: str, *shape: int) -> TensorProto:
        scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        return numpy_helper.from_array(values.normal(0, scale, shape).astype(np.float32), name)

    tensors = [weights("w1", 8, 3, 3, 3), weights("b1", 8), weights("w2", 8, 8, 3, 3)]
    tensors += [weights("b2", 8), weights("w3", 3, 8, 1, 1)]
    tensors.append(numpy_helper.from_array(np.float32([1, 1, 2, 2]), "twice"))
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    twice = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], **pool),
        helper.make_node("Conv", ["c", "w2", "b2"], ["d"], pads=[1, 1, 1, 1]),
        helper.make_node("Resize", ["d", "", "twice"], ["e"], **twice),
        helper.make_node("Add", ["e", "b"], ["f"]),
        helper.make_node("Conv", ["f", "w3"], ["out"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, sides)
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "theirs", [image], [out], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def logits(pixels: np.ndarray, model: onnx.ModelProto) -> np.ndarray:
    """What the network itself gives for RGB pixels, normalised as its maker would."""
    planes = (pixels[..., ::-1] - np.array(DESCRIBED["mean"])) / np.array(DESCRIBED["scale"])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    image = np.ascontiguousarray(planes.transpose(2, 0, 1)[None], np.float32)
    return np.asarray(session.run(None, {"image": image})[0][0])


def nothing(model: onnx.ModelProto) -> None:
    pass
