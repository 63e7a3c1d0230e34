"""Ranges of activations: the largest magnitude that INT8 should hold, for every tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

from roadseg.runtime.engines.qdq import PIXEL_RANGE
from roadseg.runtime.errors import unknown

METHODS = ("minmax", "percentile", "mse", "entropy")
PERCENTILE = 99.99
SAMPLES = 2048  # values kept of a tensor and frame, for the methods that look at the distribution
BINS, LEVELS = 2048, 128  # of the entropy method: of the histogram, and of INT8 magnitudes
CANDIDATES = np.geomspace(0.02, 1.0, 48)  # shares of the maximum that the mse method tries

RANGED_OPS = ("Conv", "Clip", "Relu", "Add", "Concat", "Resize", "GlobalAveragePool", "Transpose")

Values = NDArray[np.float32]


def collect_ranges(
    model: onnx.ModelProto,
    inputs: Iterable[NDArray[np.uint8]],
    method: str = "minmax",
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, float]:
    """Run the float model on inputs and return the range of each activation tensor.

    inputs: (H, W, 3) uint8 RGB, of a size that the network takes.
    method: "minmax" (the largest magnitude), "percentile" (99.99 of magnitudes), "mse" (the range
    whose INT8 rounding and clipping errs least) or "entropy" (the range whose INT8 histogram tells
    most of the float one, by Kullback-Leibler divergence: Migacz, GTC 2017).
    progress: told the number of inputs done.
    """
    if method not in METHODS:
        raise unknown("calibration method", method, METHODS)
    names = ranged_tensors(model)
    session, watched = (_largest_of if method == "minmax" else _all_of)(model, names)
    random = np.random.default_rng(seed)
    samples: dict[str, list[Values]] = {name: [] for name in names}
    for done, pixels in enumerate(inputs, 1):
        values = session.run(watched, {model.graph.input[0].name: pixels[None]})
        for name, value in zip(names, values, strict=True):
            samples[name].append(_sample(value, random))
        progress(done)
    choose = CHOICES[method]
    ranges = {name: choose(np.concatenate(kept)) for name, kept in samples.items()}
    return ranges | dict.fromkeys(_pixels(model), PIXEL_RANGE)


def _pixels(model: onnx.ModelProto) -> list[str]:
    """Return the normalised input, whose range is known."""
    return [node.output[0] for node in model.graph.node if node.op_type == "Transpose"][:1]


def ranged_tensors(model: onnx.ModelProto) -> list[str]:
    """Return the activation tensors that some form of the network quantises."""
    outputs = {value.name for value in model.graph.output}
    nodes, constants = model.graph.node, {tensor.name for tensor in model.graph.initializer}
    constants |= _sizes(model)
    found = [node.output[0] for node in nodes if node.op_type in RANGED_OPS]
    read = [node.input[0] for node in nodes if node.op_type == "Conv"]  # of any operator
    names = [name for name in dict.fromkeys([*found, *read]) if name not in constants]
    clipped = {n.input[0] for n in nodes if n.op_type in ("Clip", "Relu")} - set(read)
    return [name for name in names if name not in outputs and name not in clipped]


def _sizes(model: onnx.ModelProto) -> set[str]:
    """Return the tensors that are computed from sizes alone: integers that a Resize may read."""
    known = {tensor.name for tensor in model.graph.initializer} | {""}
    found: set[str] = set()
    for node in model.graph.node:
        if node.op_type == "Shape" or set(node.input) <= known | found:
            found.update(node.output)
    return found


Watched = tuple["onnxruntime.InferenceSession", list[str]]


def _largest_of(model: onnx.ModelProto, names: list[str]) -> Watched:
    """Watch the largest magnitudes only, found in the graph: no tensor leaves it."""
    nodes: list[onnx.NodeProto] = []
    for name in names:
        nodes.append(helper.make_node("Abs", [name], [f"{name}_abs"]))
        nodes.append(helper.make_node("ReduceMax", [f"{name}_abs"], [f"{name}_max"], keepdims=0))
    return watch(model, nodes, [f"{name}_max" for name in names])


def _all_of(model: onnx.ModelProto, names: list[str]) -> Watched:
    return watch(model, [], names)


def watch(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    outputs: list[str],
    constants: Sequence[onnx.TensorProto] = (),
) -> Watched:
    """Return a session of the model with more nodes, and the outputs that it then has too."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.node.extend(nodes)
    watched.graph.initializer.extend(constants)
    watched.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session, outputs


def _sample(value: Values, random: np.random.Generator) -> Values:
    """Return the magnitudes of a tensor, of a large one those of some values drawn from it."""
    flat = value.reshape(-1)
    return np.abs(flat if flat.size <= SAMPLES else flat[random.integers(0, flat.size, SAMPLES)])


def _largest(magnitudes: Values) -> float:
    return float(magnitudes.max())


def _percentile(magnitudes: Values) -> float:
    return float(np.percentile(magnitudes, PERCENTILE))


def _least_error(magnitudes: Values) -> float:
    """Return the range with the least mean square error of INT8 over the samples."""
    ranges = CANDIDATES * magnitudes.max()
    errors = []
    for each in ranges:
        step = max(each, 1e-12) / 127
        rounded = np.clip(np.round(magnitudes / step), 0, 127) * step
        errors.append(float(np.square(magnitudes - rounded).mean()))
    return float(ranges[int(np.argmin(errors))])


def _least_divergence(magnitudes: Values) -> float:
    """Return the range whose 128 levels lose least information about the distribution."""
    largest = float(magnitudes.max())
    counts, edges = np.histogram(magnitudes, BINS, (0, max(largest, 1e-12)))
    counts[0] = counts[1]  # zeros, of which ReLU makes many, are exact whatever the range is
    ends = range(LEVELS, BINS + 1, LEVELS // 8)
    divergences = [_divergence(counts.astype(np.float64), end) for end in ends]
    return float(edges[ends[int(np.argmin(divergences))]])


def _divergence(counts: NDArray[np.float64], end: int) -> float:
    """Return KL(clipped at bin `end` || the same in LEVELS steps)."""
    clipped = counts[:end].copy()
    starts = np.arange(LEVELS) * end // LEVELS
    level = np.repeat(np.arange(LEVELS), np.diff(starts, append=end))
    filled = counts[:end] > 0
    share = np.bincount(level, counts[:end], LEVELS) / np.maximum(
        np.bincount(level, filled, LEVELS), 1
    )
    quantized = np.where(filled, share[level], 0.0)
    clipped[-1] += counts[end:].sum()
    p, q = clipped / max(clipped.sum(), 1.0), quantized / max(quantized.sum(), 1.0)
    # A bin that only clipping fills has no counterpart: it costs as if it had one count.
    q = np.maximum(q, 1.0 / max(counts.sum(), 1.0))
    used = p > 0
    return float((p[used] * np.log(p[used] / q[used])).sum())


CHOICES = {
    "minmax": _largest,
    "percentile": _percentile,
    "mse": _least_error,
    "entropy": _least_divergence,
}
