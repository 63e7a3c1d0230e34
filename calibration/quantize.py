"""The INT8 artefact: a float network with Q/DQ pairs where TensorRT wants them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from roadseg.calibration.bias_correction import Means, correction
from roadseg.runtime.engines.lowering import RANGES_KEY
from roadseg.runtime.engines.qdq import ACTIVATION_STEPS, QdqGraph, weight_steps


def conv_names(model: onnx.ModelProto) -> list[str]:
    """Return the convolutions by the name of their output, in order."""
    return [node.output[0] for node in model.graph.node if node.op_type == "Conv"]


def quantize(
    model: onnx.ModelProto,
    ranges: Mapping[str, float],
    float_layers: Collection[str] = (),
    means: Means | None = None,
) -> onnx.ModelProto:
    """Return the INT8 artefact of a float model.

    Every convolution but those of `float_layers` gets its input as int8 (per tensor, symmetric,
    zero point 0) and its weights as int8 by output channel; biases and all else stay float. This
    is what TensorRT's parser takes. The ranges of all tensors go along in the metadata, for
    lower_for_cpu. With `means` of the inputs, biases make up for what rounding the weights shifts.
    """
    graph = QdqGraph(model)
    nodes, graph.nodes = graph.nodes, []
    copies: dict[str, str] = {}
    for node in nodes:
        if node.op_type == "Conv" and node.output[0] not in float_layers:
            name = node.input[0]
            if name not in copies:
                scale = np.float32(max(ranges[name], 1e-6) / ACTIVATION_STEPS)
                copies[name] = graph.quantize_pair(name, scale, np.int8(0))
            if means is not None and len(node.input) > 2:
                node.input[2] = _correct_bias(graph, node, means[name])
            node.input[0] = copies[name]
            node.input[1] = _quantize_weights(graph, node.input[1])
        graph.nodes.append(node)
    made = graph.to_model(model)
    entry = made.metadata_props.add()
    entry.key, entry.value = RANGES_KEY, json.dumps({k: float(v) for k, v in ranges.items()})
    return made


def _quantize_weights(graph: QdqGraph, name: str) -> str:
    """Replace weights by int8 ones and a DQ; return the name of its output."""
    quantized = f"{name}_int8"
    if not graph.has_constant(quantized):
        whole, scale = integer_weights(graph.constant(name))
        graph.add_constant(quantized, whole)
        graph.dequantize(quantized, scale, np.zeros(len(scale), np.int8), axis=0)
    return f"{quantized}_dq"


def _correct_bias(graph: QdqGraph, node: onnx.NodeProto, means: NDArray[np.float64]) -> str:
    """Add a corrected copy of a convolution's bias; return its name."""
    weights = graph.constant(node.input[1])
    whole, scale = integer_weights(weights)
    rounded = whole * scale[:, None, None, None]
    bias = graph.constant(node.input[2]) + correction(weights, rounded, means)
    return graph.add_constant(f"{node.output[0]}_corrected", bias.astype(np.float32))


def integer_weights(
    weights: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return (M, C, kH, kW) int8 and its steps (M,): the largest weight of a channel is exact."""
    steps = weight_steps(weights.shape)
    largest = np.abs(weights).reshape(len(weights), -1).max(1)
    # A channel without weights still needs a step that float32 can divide by.
    scale = np.maximum(largest / steps, 1e-8).astype(np.float32)
    whole = np.round(weights / scale[:, None, None, None])
    return np.clip(whole, -steps, steps).astype(np.int8), scale
