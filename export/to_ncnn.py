"""ncnn: a network for ARM processors, in float or in INT8 with the artefact's own scales.

It is written layer by layer. ncnn's converter, pnnx, knows no INT8, and ncnn's quantiser would
look for scales of its own; here the integers and scales are those of the artefact:

    x ─ Q(s) ─ DQ ─ Conv(W: int8, s_W) ─ Clip      →  Convolution(int8, 1/s, 1/s_W, clip inside)

Depthwise convolutions and others in groups compute in float with the artefact's rounded weights.
ncnn's int8 has a sign, which leaves 127 steps to what follows a ReLU6, and a depthwise sum of nine
products averages nothing out. Measured, float is more exact there, and faster on x86-64.
"""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from roadseg.export.half_weights import restore
from roadseg.export.ncnn_model import Layer, Parameter, plain, tagged, write_ncnn
from roadseg.export.torch_network import (
    attributes,
    is_plain_pool,
    is_plain_resize,
    resize_words,
)
from roadseg.runtime.artifact import read_artifact, spec_beside
from roadseg.runtime.engines.qdq import QdqGraph
from roadseg.runtime.errors import MissingExtra, ModelError

RELU, CLIP = 1, 3  # numbers of activations inside a convolution
ARITHMETIC = {"Add": 0, "Sub": 1, "Mul": 2, "Div": 3}
SIMPLE = {"Relu": "ReLU", "Sigmoid": "Sigmoid", "HardSwish": "HardSwish"}
RESIZES = {"nearest": 1, "linear": 2}


class NcnnTarget:
    """See Target. The input is the pixels as float32 planes; any size that the network takes."""

    name, suffix, engine = "ncnn", ".ncnn.param", "ncnn"
    precisions: tuple[str, ...] = ("float32", "int8")

    def require(self) -> None:
        """See Target."""
        if importlib.util.find_spec("ncnn") is None:
            raise MissingExtra("ncnn", "ncnn", "seg-export --to ncnn")

    def convert(self, artifact: Path, out: Path) -> str:
        """See Target."""
        self.require()
        model, spec = read_artifact(artifact)
        layers = ncnn_layers(restore(model))
        write_ncnn(layers, out, out.with_suffix(".bin"))
        spec_beside(out).write_text(spec.to_json(indent=1))
        integer = sum(8 in layer.parameters for layer in layers)
        return f"ncnn, {len(layers)} layers, {integer} in INT8"


def ncnn_layers(model: onnx.ModelProto) -> list[Layer]:
    """Return the layers of an artefact's graph; raises ModelError naming what ncnn lacks here."""
    return _Translation(model).run()


class _Translation:
    """Goes through the graph in order; tensors become blobs b0, b1, …."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = QdqGraph(model)
        self.steps = {
            node.input[0]: float(self.graph.constant(node.input[1]))
            for node in self.graph.nodes
            if node.op_type == "QuantizeLinear"
        }
        self.graph.drop_activation_pairs()
        self.users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.graph.nodes:
            for name in node.input:
                self.users[name].append(node)
        self.weights = {
            node.output[0]: node
            for node in self.graph.nodes
            if node.op_type == "DequantizeLinear" and self.graph.has_constant(node.input[0])
        }
        self.pixels: str = model.graph.input[0].name
        self.layers = [Layer("Input", [], [self.pixels])]
        self.blobs: dict[str, str] = {self.pixels: self.pixels}
        self.fused: set[str] = set()

    def run(self) -> list[Layer]:
        for node in self.graph.nodes:
            if node.output[0] not in self.weights and node.output[0] not in self.fused:
                self._translate(node)
        return self.layers

    def _translate(self, node: onnx.NodeProto) -> None:
        kind = node.op_type
        translations: dict[str, Callable[[onnx.NodeProto], None]] = {
            "Cast": self._pass_on,
            "Transpose": self._pass_on,
            "Conv": self._convolution,
            "Clip": self._clip,
            "Concat": self._concat,
            "Resize": self._resize,
            "GlobalAveragePool": self._mean,
            "MaxPool": self._max_pool,
            **dict.fromkeys(ARITHMETIC, self._arithmetic),
            **dict.fromkeys(SIMPLE, self._simple),
        }
        if kind not in translations:
            raise ModelError(f"ncnn: no layer for operator {kind} ('{node.name}')")
        translations[kind](node)

    def _add(
        self,
        kind: str,
        inputs: list[str],
        output: str,
        parameters: dict[int, Parameter] | None = None,
        weights: list[bytes] | None = None,
    ) -> None:
        last = output in self.graph.outputs
        self.blobs[output] = output if last else f"b{len(self.blobs)}"
        names = [self._blob(name) for name in inputs]
        self.layers.append(
            Layer(kind, names, [self.blobs[output]], parameters or {}, weights or [])
        )

    def _blob(self, name: str) -> str:
        """Return a tensor's blob; a constant gets a layer that gives it."""
        if name not in self.blobs:
            value = self.graph.constant(name)
            channels, height, width = (1,) * (3 - value.ndim) + value.shape[-3:]
            self.blobs[name] = f"b{len(self.blobs)}"
            sizes: dict[int, Parameter] = {0: width, 1: height, 2: channels}
            self.layers.append(Layer("MemoryData", [], [self.blobs[name]], sizes, [plain(value)]))
        return self.blobs[name]

    def _pass_on(self, node: onnx.NodeProto) -> None:
        """Leave out what turns pixels into planes of floats: ncnn's input is that already."""
        head = {self.pixels, *(name for name, blob in self.blobs.items() if blob == self.pixels)}
        if node.op_type == "Cast" and node.input[0] not in head:
            raise ModelError(f"ncnn: no layer for operator Cast ('{node.name}')")
        if node.op_type == "Transpose" and attributes(node).get("perm") != [0, 3, 1, 2]:
            raise ModelError(f"ncnn: no layer for operator Transpose ('{node.name}')")
        self.blobs[node.output[0]] = self.blobs[node.input[0]]

    def _arithmetic(self, node: onnx.NodeProto) -> None:
        first, second = node.input
        parameters: dict[int, Parameter] = {0: ARITHMETIC[node.op_type]}
        if self.graph.has_constant(second) and self.graph.constant(second).size == 1:
            parameters |= {1: 1, 2: float(self.graph.constant(second).reshape(()))}
            self._add("BinaryOp", [first], node.output[0], parameters)
        else:
            self._add("BinaryOp", [first, second], node.output[0], parameters)

    def _simple(self, node: onnx.NodeProto) -> None:
        # ncnn's HardSwish is x · clip(alpha · x + beta, 0, 1), with ONNX's numbers.
        parameters: dict[int, Parameter] = {}
        if node.op_type == "HardSwish":
            parameters = {0: 1 / 6, 1: 0.5}
        self._add(SIMPLE[node.op_type], [node.input[0]], node.output[0], parameters)

    def _clip(self, node: onnx.NodeProto) -> None:
        low, high = self._limits(node)
        self._add("Clip", [node.input[0]], node.output[0], {0: low, 1: high})

    def _limits(self, node: onnx.NodeProto) -> tuple[float, float]:
        words = [*node.input[1:], "", ""][:2]
        low, high = (self.graph.constant(word) if word else None for word in words)
        widest = float(np.finfo(np.float32).max)
        return (-widest if low is None else float(low), widest if high is None else float(high))

    def _concat(self, node: onnx.NodeProto) -> None:
        if attributes(node).get("axis") not in (1, -3):
            raise ModelError(f"ncnn: Concat of other axes than channels ('{node.name}')")
        self._add("Concat", list(node.input), node.output[0], {0: 0})

    def _resize(self, node: onnx.NodeProto) -> None:
        found = attributes(node)
        scaled = len(node.input) == 3 and self.graph.has_constant(node.input[2])
        factors = [float(f) for f in self.graph.constant(node.input[2])[2:]] if scaled else []
        if not is_plain_resize(found, factors):
            raise ModelError(f"ncnn: Resize of {resize_words(found)} ('{node.name}')")
        parameters: dict[int, Parameter] = {0: RESIZES[found["mode"]], 1: factors[0], 2: factors[1]}
        self._add("Interp", [node.input[0]], node.output[0], parameters)

    def _mean(self, node: onnx.NodeProto) -> None:
        """Mean over a plane; ncnn's result has one dimension and gets three again."""
        flat = f"{node.output[0]}_flat"
        self._add("Pooling", [node.input[0]], flat, {0: 1, 4: 1})
        self._add("Reshape", [flat], node.output[0], {0: 1, 1: 1, 2: -1})

    def _max_pool(self, node: onnx.NodeProto) -> None:
        found = attributes(node)
        if not is_plain_pool(found):
            raise ModelError(
                f"ncnn: MaxPool with dilations, auto_pad or rounding up ('{node.name}')"
            )
        parameters: dict[int, Parameter] = {0: 0, 5: 1}
        numbers = {11: "kernel_shape", 12: "strides", 13: "pads"}
        parameters |= _windows(found, numbers, (1, 2, 3), (14, 15))
        self._add("Pooling", [node.input[0]], node.output[0], parameters)

    def _convolution(self, node: onnx.NodeProto) -> None:
        found = attributes(node)
        if found.get("auto_pad", "NOTSET") != "NOTSET":
            raise ModelError(f"ncnn: Conv with auto_pad {found['auto_pad']} ('{node.name}')")
        group = int(found.get("group", 1))
        values, scales = self._weights(node)
        found["kernel_shape"] = values.shape[2:]
        bias = self.graph.constant(node.input[2]) if len(node.input) > 2 else None
        output = self._output(node)
        numbers = {11: "kernel_shape", 12: "dilations", 13: "strides", 14: "pads"}
        parameters: dict[int, Parameter] = {0: len(values), 5: int(bias is not None)}
        parameters |= {6: values.size} | ({7: group} if group > 1 else {})
        parameters |= _windows(found, numbers, (1, 2, 3, 4), (15, 16))
        parameters |= self._activation(output)
        weights = [tagged(values)] + ([plain(bias)] if bias is not None else [])
        if scales is not None:
            top = self._next_step(output)
            parameters[8] = 1 if top is None else 101
            steps = [scales, np.array([self.steps[node.input[0]]])]
            steps += [] if top is None else [np.array([top])]
            weights += [plain(1 / each) for each in steps]
        kind = "ConvolutionDepthWise" if group > 1 else "Convolution"
        self._add(kind, [node.input[0]], output, parameters, weights)

    def _weights(self, node: onnx.NodeProto) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
        """Return a convolution's weights, and by output channel their steps when they are int8."""
        pair = self.weights.get(node.input[1])
        if pair is None:
            return self.graph.constant(node.input[1]), None
        values, scales = (self.graph.constant(name) for name in pair.input[:2])
        if self._is_integer(node):
            return values, scales
        return values * scales.reshape(-1, 1, 1, 1), None

    def _is_integer(self, node: onnx.NodeProto) -> bool:
        """Whether a node is a convolution that ncnn computes in INT8."""
        if node.op_type != "Conv" or node.input[1] not in self.weights:
            return False
        return int(attributes(node).get("group", 1)) == 1

    def _output(self, node: onnx.NodeProto) -> str:
        """Return the tensor that a convolution gives: after its activation, when it has one."""
        name = str(node.output[0])
        users = self.users[name]
        if (
            len(users) != 1
            or users[0].op_type not in ("Clip", "Relu")
            or name in self.graph.outputs
        ):
            return name
        self.fused.add(users[0].output[0])
        return str(users[0].output[0])

    def _activation(self, output: str) -> dict[int, Parameter]:
        if output not in self.fused:
            return {}
        node = next(node for node in self.graph.nodes if node.output[0] == output)
        return {9: RELU} if node.op_type == "Relu" else {9: CLIP, 10: self._limits(node)}

    def _next_step(self, output: str) -> float | None:
        """Return the step to give int8 in, when only INT8 convolutions read the result."""
        users = self.users[output]
        integer = bool(users) and all(self._is_integer(user) for user in users)
        return self.steps[output] if integer and output in self.steps else None


def _windows(
    found: dict[str, Any], heights: dict[int, str], widths: tuple[int, ...], ends: tuple[int, int]
) -> dict[int, Parameter]:
    """Return sizes of windows: ncnn numbers widths, heights and the padding at the ends apart."""
    made: dict[int, Parameter] = {}
    for (number, name), width in zip(heights.items(), widths, strict=True):
        values = [int(v) for v in found.get(name, [0] * 4 if name == "pads" else [1, 1])]
        made |= {width: values[1], number: values[0]}
        if name == "pads":
            made |= {ends[0]: values[3], ends[1]: values[2]}
    return made
