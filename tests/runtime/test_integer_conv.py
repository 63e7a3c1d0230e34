"""A convolution that takes up the scales and zero points around it computes what it did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from roadseg.runtime.engines.integer_conv import is_padded, rewrite_conv
from roadseg.runtime.engines.qdq import QdqGraph, Steps

SIZE = 9
SOURCE: Steps = np.float32(0.05), np.uint8(128)
UNIT: Steps = np.float32(1), np.uint8(0)
RESULT: Steps = np.float32(0.11), np.uint8(128)


@dataclass(frozen=True)
class Case:
    """kernel: of a square window. group: 1 or the channels. pad: on each side."""

    kernel: int
    group: int
    pad: int
    has_bias: bool = True


CASES = [Case(1, 1, 0), Case(3, 1, 0), Case(3, 8, 1), Case(3, 1, 1), Case(1, 1, 0, has_bias=False)]


def empty() -> onnx.ModelProto:
    """Return a model without nodes, from uint8 x to uint8 y_q."""
    pixels = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 8, SIZE, SIZE])
    result = helper.make_tensor_value_info("y_q", TensorProto.UINT8, None)
    graph = helper.make_graph([], "conv", [pixels], [result])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def build(case: Case, takes_up: bool) -> onnx.ModelProto:
    """Return uint8 → DQ → Conv → Q, with the steps in DQ and Q or taken up by the convolution."""
    random = np.random.default_rng(3)
    graph = QdqGraph(empty())
    shape = (8, 8 // case.group, case.kernel, case.kernel)
    graph.add_constant("w", random.integers(-63, 64, shape).astype(np.int8))
    scales = random.uniform(0.002, 0.01, 8).astype(np.float32)
    weights = graph.dequantize("w", scales, np.zeros(8, np.int8), axis=0)
    graph.add_constant("b", random.normal(0, 1, 8).astype(np.float32))
    kept = SOURCE[1] if takes_up and case.pad == 0 else np.uint8(0)
    source = graph.dequantize("x", SOURCE[0], np.uint8(SOURCE[1] - kept))
    inputs = [source, weights] + ["b"] * case.has_bias
    graph.add("Conv", inputs, "y", group=case.group, pads=[case.pad] * 4)
    if takes_up:
        node = graph.nodes.pop()
        rewrite_conv(graph, node, graph.nodes[0], (SOURCE[0], kept), RESULT)
        graph.nodes.append(node)
    graph.quantize("y", *(UNIT if takes_up else RESULT))
    return graph.to_model(empty())


def run(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    """Run without any fusion, so that what is computed is what stands in the graph."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": pixels})[0]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_gives_the_same_integers(case: Case) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (1, 8, SIZE, SIZE)).astype(np.uint8)
    expected, found = (run(build(case, takes_up), pixels) for takes_up in (False, True))
    apart = np.abs(expected.astype(int) - found.astype(int))
    assert apart.max() <= 1  # on a rounding step
    assert (apart == 0).mean() > 0.99
    assert 20 < expected.std()


def test_padding_is_seen() -> None:
    def conv(**attributes: object) -> onnx.NodeProto:
        return helper.make_node("Conv", ["x", "w"], ["y"], **attributes)

    assert not is_padded(conv())
    assert not is_padded(conv(pads=[0, 0, 0, 0]))
    assert not is_padded(conv(auto_pad="VALID"))
    assert is_padded(conv(pads=[0, 1, 0, 0]))
    assert is_padded(conv(auto_pad="SAME_UPPER"))
