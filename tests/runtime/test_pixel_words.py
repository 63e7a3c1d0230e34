"""A first convolution over words of four bytes gives what it gave over pixels, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from roadseg.calibration import collect_ranges, quantize
from roadseg.runtime.engines.lowering import lower_for_cpu

CASES = {
    "6 padded": {"kernel": (6, 6), "pads": [2, 2, 2, 2]},
    "7 padded": {"kernel": (7, 7), "pads": [3, 3, 3, 3]},
    "3 padded": {"kernel": (3, 3), "pads": [1, 1, 1, 1]},
    "uneven": {"kernel": (5, 9), "pads": [0, 1, 2, 6]},
    "4 as they lie": {"kernel": (4, 4)},
    "1": {"kernel": (1, 1)},
    "stride 8": {"kernel": (3, 11), "pads": [1, 5, 1, 4], "strides": [2, 8]},
}
AS_BEFORE = {
    "stride 2": {"strides": [2, 2]},
    "no strides": {"strides": None},
    "dilated": {"dilations": [1, 2]},
    "automatic": {"auto_pad": "SAME_UPPER"},
    "no padding told": {"auto_pad": "VALID"},
}
WIDTHS = (20, 24, 64)


def network(kernel: tuple[int, int] = (6, 6), **attributes: Any) -> onnx.ModelProto:
    """A convolution of pixels, and one of what it gives; quantised."""
    random = np.random.default_rng(0)
    tensors = {
        "mean": np.float32(127), "scale": np.float32(1 / 128),
        "stem": random.normal(0, 0.3, (8, 3, *kernel)).astype(np.float32),
        "bias": random.normal(0, 1, 8).astype(np.float32),
        "head": random.normal(0, 0.3, (4, 8, 1, 1)).astype(np.float32),
    }  # fmt: skip
    given = {"strides": [4, 4], **attributes}
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["real", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["normal"]),
        helper.make_node("Transpose", ["normal"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "stem", "bias"], ["a0"],
                         **{name: value for name, value in given.items() if value}),
        helper.make_node("Relu", ["a0"], ["a"]),
        helper.make_node("Conv", ["a", "head"], ["logits"]),
    ]  # fmt: skip
    sides = [1, "height", "width", 3]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, sides)
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 4, None, None])
    made = [numpy_helper.from_array(np.asarray(v), name) for name, v in tensors.items()]
    graph = helper.make_graph(nodes, "stem", [pixels], [logits], made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return quantize(model, collect_ranges(model, [picture(64)]))


def picture(width: int) -> np.ndarray:
    return np.random.default_rng(width).integers(0, 256, (16, width, 3)).astype(np.uint8)


def channels_read(model: onnx.ModelProto) -> int:
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    dequantized = next(node for node in model.graph.node if first.input[1] in node.output)
    weights = next(t for t in model.graph.initializer if t.name == dequantized.input[0])
    return int(weights.dims[1])


def on_onnxruntime(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"pixels": pixels[None]})[0]


def on_openvino(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    ov = pytest.importorskip("openvino", reason="runs OpenVINO")
    core = ov.Core()
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", options)
    return np.asarray(compiled(pixels[None])[0])


@pytest.mark.parametrize("run", [on_onnxruntime, on_openvino])
@pytest.mark.parametrize("case", CASES)
def test_the_same_numbers_to_the_bit(case: str, run: Any) -> None:
    artefact = network(**CASES[case])
    pixels, words = lower_for_cpu(artefact), lower_for_cpu(artefact, multiple=4)
    onnx.checker.check_model(words)
    assert (channels_read(pixels), channels_read(words)) == (3, 4)
    for width in WIDTHS:
        frame = picture(width)
        np.testing.assert_array_equal(run(pixels, frame), run(words, frame))


@pytest.mark.parametrize("case", AS_BEFORE)
def test_other_convolutions_read_pixels(case: str) -> None:
    artefact = network(**AS_BEFORE[case])
    words = lower_for_cpu(artefact, multiple=4)
    assert channels_read(words) == 3
    np.testing.assert_array_equal(
        on_onnxruntime(lower_for_cpu(artefact), picture(64)), on_onnxruntime(words, picture(64))
    )


def test_widths_that_are_no_whole_words_keep_pixels() -> None:
    model = lower_for_cpu(network(), multiple=2)
    assert channels_read(model) == 3
    assert on_onnxruntime(model, picture(22)).shape[3] == 5
