"""Bias correction: rounding weights shifts the mean of a convolution's output; this takes it back.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019,
with means that are measured on the calibration frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from roadseg.calibration.ranges import watch

Means = Mapping[str, NDArray[np.float64]]


def channel_means(
    model: onnx.ModelProto,
    inputs: Iterable[NDArray[np.uint8]],
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, NDArray[np.float64]]:
    """Return the mean of each channel (C,) of every convolution's input, over all inputs.

    inputs: (H, W, 3) uint8 RGB, of a size that the network takes.
    """
    names = sorted({node.input[0] for node in model.graph.node if node.op_type == "Conv"})
    axes = numpy_helper.from_array(np.array([0, 2, 3]), "roadseg_mean_axes")
    nodes = [
        helper.make_node("ReduceMean", [name, axes.name], [f"{name}_mean"], keepdims=0)
        for name in names
    ]
    session, outputs = watch(model, nodes, [f"{name}_mean" for name in names], [axes])
    sums: dict[str, NDArray[np.float64]] = {}
    done = 0
    for done, pixels in enumerate(inputs, 1):
        values = session.run(outputs, {model.graph.input[0].name: pixels[None]})
        for name, value in zip(names, values, strict=True):
            sums[name] = sums.get(name, 0.0) + value.astype(np.float64)
        progress(done)
    return {name: total / done for name, total in sums.items()}


def correction(
    weights: NDArray[np.float32], rounded: NDArray[np.float32], means: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return what to add to a bias (M,): the mean that rounding took from each output channel.

    weights, rounded: (M, C / group, kH, kW). means: (C,) of the input. What lies outside of the
    picture is zero and not counted, so the outermost pixels are corrected a little too much.
    """
    lost = (weights.astype(np.float64) - rounded).sum(axis=(2, 3))  # (M, C / group)
    if lost.shape[1] == len(means):
        return np.asarray(lost @ means, np.float32)
    groups = len(means) // lost.shape[1]
    inputs = means.reshape(groups, lost.shape[1]).repeat(len(lost) // groups, axis=0)
    return np.asarray((lost * inputs).sum(1), np.float32)
