"""A convolution of integers that takes up the scales and zero points around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.engines.qdq import QdqGraph, Steps

if TYPE_CHECKING:
    import onnx

LARGEST_BIAS = 2**30  # in steps of the sums: int32 has as much room again for the sums


def rewrite_conv(
    graph: QdqGraph, node: onnx.NodeProto, weights: onnx.NodeProto, source: Steps, result: Steps
) -> None:
    """Give a Conv new weights' scales and an int32 bias, in steps of its sums.

    weights: the DequantizeLinear of its int8 weights (M, C / group, kH, kW).
    source: the input's scale, and the zero point that the input still has in it.
    result: the scale to divide the result by, and the zero point to add to it.
    """
    whole = graph.constant(weights.input[0])
    scale = graph.constant(weights.input[1]).astype(np.float64) / result[0]
    bias = _bias(graph, node, len(whole)) / result[0] + float(result[1])
    # Weights that are next to nothing have steps in which their bias is beyond int32.
    growth = np.maximum(1, np.abs(bias) / (scale * source[0]) / LARGEST_BIAS)
    whole = np.round(whole / growth[:, None, None, None]).astype(np.int8)
    scale *= growth
    sums = whole.reshape(len(whole), -1).sum(1, dtype=np.int64)
    steps = np.round(bias / (scale * source[0])).astype(np.int64) - int(source[1]) * sums
    _write(graph, node, whole, scale, steps.astype(np.int32), scale * source[0])


def is_padded(node: onnx.NodeProto) -> bool:
    """Whether a Conv reads zeros beyond its input."""
    given = {each.name: each for each in node.attribute}
    pads = given["pads"].ints if "pads" in given else ()
    automatic = given["auto_pad"].s if "auto_pad" in given else b"NOTSET"
    return any(pads) or automatic not in (b"NOTSET", b"VALID")


def _bias(graph: QdqGraph, node: onnx.NodeProto, channels: int) -> NDArray[np.float64]:
    if len(node.input) < 3 or not node.input[2]:
        return np.zeros(channels)
    return graph.constant(node.input[2]).astype(np.float64)


def _write(
    graph: QdqGraph,
    node: onnx.NodeProto,
    whole: NDArray[np.int8],
    scale: NDArray[Any],
    bias: NDArray[np.int32],
    bias_scale: NDArray[Any],
) -> None:
    name = node.output[0]
    inputs = []
    for part, value, step in (("weights", whole, scale), ("bias", bias, bias_scale)):
        constant = graph.add_constant(f"{name}_{part}", value)
        zero = np.zeros(len(value), value.dtype)
        inputs.append(graph.dequantize(constant, step.astype(np.float32), zero, axis=0))
    node.input[1:] = inputs
