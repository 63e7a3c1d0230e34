"""Cross-layer equalisation: channels that share one INT8 range are brought to like magnitudes.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019:
dividing a channel of one convolution's output by s, and multiplying the weights of the next ones
that read it by s, changes nothing in float. What is quantised with one step here are activations
(the weights of an output channel have a step of their own), so what the paper says of the first
layer's weights is applied to the channel's largest activation on the calibration frames.

    Conv ─ (Clip or Relu) ─ Conv, Conv …      all that read the tensor must be convolutions

Relu passes a positive factor. Clip (ReLU6) does so only while nothing reaches its bound:

- a channel that the frames bring near the bound (above ROOM of it) keeps its scale, s = 1;
- any other is scaled to at most ROOM of the bound, so that on these frames the Clip does not act
  before or after. On a frame that goes further than all of them, it acts at its largest / ROOM.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from roadseg.calibration.ranges import watch
from roadseg.runtime.engines.qdq import QdqGraph

ROOM = 0.8  # of a Clip's bound
MOST = 64.0  # times that a channel is made larger or smaller

Channels = NDArray[np.float64]  # (C,)


@dataclass(frozen=True)
class Pair:
    """A convolution and those that read its output.

    tensor: between them, after the activation.
    bound: of its Clip, infinite for Relu or nothing.
    """

    first: onnx.NodeProto
    readers: tuple[onnx.NodeProto, ...]
    tensor: str
    bound: float


def equalize(model: onnx.ModelProto, largest: Mapping[str, Channels]) -> onnx.ModelProto:
    """Return the float model with equalised channels.

    largest: by tensor, as channel_maxima finds it on the calibration frames.
    """
    graph = QdqGraph(model)
    for pair in find_pairs(graph):
        scale = channel_scales(graph, pair, largest[pair.tensor])
        _divide_outputs(graph, pair.first, scale)
        for reader in pair.readers:
            _multiply_inputs(graph, reader, scale)
    return graph.to_model(model)


def channel_maxima(
    model: onnx.ModelProto,
    inputs: Iterable[NDArray[np.uint8]],
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Channels]:
    """Return the largest magnitude (C,) of each channel between the pairs, over all inputs.

    inputs: (H, W, 3) uint8 RGB, of a size that the network takes.
    """
    names = sorted({pair.tensor for pair in find_pairs(QdqGraph(model))})
    if not names:
        return {}
    axes = numpy_helper.from_array(np.array([0, 2, 3]), "roadseg_max_axes")
    nodes: list[onnx.NodeProto] = []
    for name in names:
        nodes.append(helper.make_node("Abs", [name], [f"{name}_abs"]))
        reduced = [f"{name}_abs", axes.name]
        nodes.append(helper.make_node("ReduceMax", reduced, [f"{name}_max"], keepdims=0))
    session, outputs = watch(model, nodes, [f"{name}_max" for name in names], [axes])
    largest: dict[str, Channels] = {}
    for done, pixels in enumerate(inputs, 1):
        values = session.run(outputs, {model.graph.input[0].name: pixels[None]})
        for name, value in zip(names, values, strict=True):
            largest[name] = np.maximum(largest.get(name, 0.0), value.astype(np.float64))
        progress(done)
    return largest


def find_pairs(graph: QdqGraph) -> list[Pair]:
    """Return the pairs of a float graph, in its order."""
    users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in graph.nodes:
        for name in node.input:
            users[name].append(node)
    pairs = []
    for node in graph.nodes:
        if node.op_type == "Conv":
            tensor, bound = _behind(graph, node.output[0], users)
            readers = tuple(users[tensor])
            if readers and tensor not in graph.outputs and all(map(_is_reader(graph), readers)):
                pairs.append(Pair(node, readers, tensor, bound))
    return pairs


def _behind(
    graph: QdqGraph, name: str, users: Mapping[str, list[onnx.NodeProto]]
) -> tuple[str, float]:
    """Return the tensor behind a convolution's activation and its bound."""
    if len(users[name]) != 1 or name in graph.outputs:
        return name, np.inf
    only = users[name][0]
    if only.op_type == "Relu":
        return only.output[0], np.inf
    if only.op_type == "Clip":
        low, high = (_bound(graph, word) for word in [*only.input[1:], "", ""][:2])
        if low == 0:
            return only.output[0], np.inf if high is None else high
    return name, np.inf


def _bound(graph: QdqGraph, name: str) -> float | None:
    """Return a bound of a Clip, None when it has none or computes it."""
    return float(graph.constant(name)) if graph.has_constant(name) else None


def _is_reader(graph: QdqGraph) -> Callable[[onnx.NodeProto], bool]:
    def test(node: onnx.NodeProto) -> bool:
        return node.op_type == "Conv" and _groups(node) in (1, len(graph.constant(node.input[1])))

    return test


def _groups(node: onnx.NodeProto) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "group"), 1)


def channel_scales(graph: QdqGraph, pair: Pair, largest: Channels) -> Channels:
    """Return s (C,): what the outputs are divided by and the readers' weights multiplied by.

    The paper's optimum makes a channel's share of the activations' range equal to its share of the
    readers' weights. A depthwise reader has a step for each channel: there the activation may fill
    the range.
    """
    limit = min(pair.bound, float(largest.max())) * (ROOM if np.isfinite(pair.bound) else 1.0)
    free = (largest > 0) & (largest <= ROOM * pair.bound)
    scale = np.ones(len(largest))
    if not free.any():
        return scale
    share = np.max([_weight_share(graph, reader) for reader in pair.readers], axis=0)
    dense = any(_groups(reader) == 1 for reader in pair.readers)
    wanted = np.sqrt(largest * share * limit) if dense else np.full(len(largest), limit)
    wanted = np.clip(wanted, largest / MOST, np.minimum(largest * MOST, limit))
    scale[free] = largest[free] / wanted[free]
    return scale


def _weight_share(graph: QdqGraph, node: onnx.NodeProto) -> Channels:
    """Return (C,): the largest share of an output channel's weight range that each input takes."""
    weights = np.abs(graph.constant(node.input[1]).astype(np.float64))
    if _groups(node) > 1:
        return np.ones(len(weights))
    by_input = weights.max((2, 3))  # (M, C)
    share: Channels = (by_input / np.maximum(by_input.max(1, keepdims=True), 1e-12)).max(0)
    return np.maximum(share, 1e-6)


def _divide_outputs(graph: QdqGraph, node: onnx.NodeProto, scale: Channels) -> None:
    for place in range(1, len(node.input)):
        value = graph.constant(node.input[place])
        divided = value / scale.reshape(-1, *[1] * (value.ndim - 1))
        _set_constant(graph, node, place, divided)


def _multiply_inputs(graph: QdqGraph, node: onnx.NodeProto, scale: Channels) -> None:
    shape = (-1, 1, 1, 1) if _groups(node) > 1 else (1, -1, 1, 1)
    _set_constant(graph, node, 1, graph.constant(node.input[1]) * scale.reshape(shape))


def _set_constant(
    graph: QdqGraph, node: onnx.NodeProto, place: int, value: NDArray[np.float64]
) -> None:
    """Give a node a constant of its own, as another node may share the old one."""
    name = f"{node.output[0]}_{'xwb'[place]}"
    node.input[place] = graph.add_constant(name, value.astype(np.float32))
