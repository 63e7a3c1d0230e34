"""The form of an INT8 artefact that the CPU engines run fastest, made at load from its scales.

The artefact is in TensorRT's form: int8, zero point 0, pairs at the inputs of convolutions only.
In that form ONNX Runtime and OpenVINO find nothing to fuse. The lowered form, with the same ranges:

    pixels uint8 ─ Transpose ─ DQ(1/128, 127) ─ Conv ─ Clip ─ Q ─ DQ ─ Conv ─ …
                                                 └ W, bias: DQ

- 8-bit pixels are the quantised input, (pixel - 127) / 128;
- outputs are quantised after their Clip, so that Conv, Clip and Q become one integer convolution;
- tensors that cannot be negative (after ReLU, ReLU6) are uint8 over [0, amax]: the upper bound
  of the Clip is then the type's, and nothing is left to clip; others are uint8 around 128;
- adds, resizes and concatenations are quantised too, so that no float tensor is written between.

OpenVINO computes a convolution whose input has zero point 127 in float. It gets the normalised
pixels quantised around 128 instead (it fuses all of that into one pass), and is otherwise the same.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from roadseg.runtime.engines.qdq import QdqGraph

if TYPE_CHECKING:
    import onnx

RANGES_KEY = "roadseg.ranges"  # metadata: JSON of the largest magnitude by activation tensor
INTEGER_OPS = frozenset({"Conv", "Add", "Resize", "Concat", "GlobalAveragePool"})
INPUT_SCALE, INPUT_ZERO = np.float32(1 / 128), np.uint8(127)
UNSIGNED, SIGNED = 255, 127  # steps from 0 to the largest magnitude

Steps = tuple[np.float32, np.uint8]  # scale and zero point


def lower_for_cpu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the form for ONNX Runtime; a float model is returned as it is."""
    ranges = read_ranges(model)
    return _Lowering(model, ranges).run() if ranges else model


def lower_for_openvino(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the form for OpenVINO; a float model is returned as it is."""
    ranges = read_ranges(model)
    return _Lowering(model, ranges, keeps_bytes=False).run() if ranges else model


def read_ranges(model: onnx.ModelProto) -> dict[str, float]:
    """Return the largest magnitude of each activation tensor, {} for a float model."""
    for entry in model.metadata_props:
        if entry.key == RANGES_KEY:
            return {name: float(value) for name, value in json.loads(entry.value).items()}
    return {}


class _Lowering:
    """Reads the whole graph first, then writes its nodes again in order.

    keeps_bytes: the pixels themselves are the first quantised tensor.
    """

    def __init__(
        self, model: onnx.ModelProto, ranges: dict[str, float], keeps_bytes: bool = True
    ) -> None:
        self.model, self.ranges, self.keeps_bytes = model, ranges, keeps_bytes
        self.graph = QdqGraph(model)
        self.graph.drop_activation_pairs()
        self.producer = {name: node for node in self.graph.nodes for name in node.output}
        self.users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.graph.nodes:
            for name in node.input:
                self.users[name].append(node)
        self.steps = {name: self._steps(name) for name in ranges if self._is_wanted(name)}
        self.copies: dict[str, str] = {}  # dequantised copies by float tensor

    def run(self) -> onnx.ModelProto:
        nodes, self.graph.nodes = self.graph.nodes, []
        done = self._lower_input(nodes) if self.keeps_bytes else set()
        for node in nodes:
            if node.output[0] not in done:
                self._lower(node)
        return self.graph.to_model(self.model)

    def _lower_input(self, nodes: list[onnx.NodeProto]) -> set[str]:
        """Replace Cast, Sub, Mul, Transpose by a Transpose of bytes and a DQ.

        Returns the outputs of the nodes that are replaced; none when the first layer is float.
        """
        head = [node for node in nodes if node.op_type in ("Cast", "Sub", "Mul", "Transpose")][:4]
        if [node.op_type for node in head] != ["Cast", "Sub", "Mul", "Transpose"]:
            return set()
        planes = head[-1].output[0]
        if not any(self._is_integer(user) for user in self.users[planes]):
            return set()
        pixels = self.graph.add("Transpose", [head[0].input[0]], f"{planes}_q", perm=[0, 3, 1, 2])
        self.copies[planes] = self.graph.dequantize(pixels, INPUT_SCALE, INPUT_ZERO)
        self.steps[planes] = INPUT_SCALE, INPUT_ZERO
        return {node.output[0] for node in head}

    def _lower(self, node: onnx.NodeProto) -> None:
        integer = self._is_integer(node)
        if integer and node.op_type == "Conv" and node.input[0] in self.copies:
            self._quantize_bias(node)
        if integer:
            for place, name in enumerate(node.input):
                node.input[place] = self.copies.get(name, name)
        self.graph.nodes.append(node)
        name = node.output[0]
        if name in self.steps:
            self.copies[name] = self.graph.quantize(name, *self.steps[name])

    def _is_integer(self, node: onnx.NodeProto) -> bool:
        """Whether a node is computed in integers: a convolution when its weights are."""
        if node.op_type == "Conv":
            weights = self.producer.get(node.input[1])
            return weights is not None and weights.op_type == "DequantizeLinear"
        return node.op_type in INTEGER_OPS

    def _is_wanted(self, name: str) -> bool:
        """Whether a tensor is quantised: someone computes with it in integers."""
        is_inner = name in self.producer and name not in self.graph.outputs
        return is_inner and any(self._is_integer(user) for user in self.users[name])

    def _steps(self, name: str) -> Steps:
        node = self.producer[name]
        if node.op_type == "Resize" and node.input[0] in self.ranges:
            return self._steps(node.input[0])  # it only moves or averages what it reads
        largest = max(self.ranges[name], 1e-6)
        if self._is_positive(name):
            return np.float32(largest / UNSIGNED), np.uint8(0)
        return np.float32(largest / SIGNED), np.uint8(128)

    def _is_positive(self, name: str) -> bool:
        """Whether a tensor cannot have negative values."""
        node = self.producer.get(name)
        if node is None:
            return False
        if node.op_type in ("Resize", "GlobalAveragePool"):
            return self._is_positive(node.input[0])
        if node.op_type in ("Add", "Concat"):
            return all(self._is_positive(each) for each in node.input)
        return node.op_type in ("Clip", "Relu")

    def _quantize_bias(self, node: onnx.NodeProto) -> None:
        """Give a convolution an int32 bias, in steps of its sums."""
        if len(node.input) < 3:
            return
        bias = self.graph.constant(node.input[2]).astype(np.float64)
        weights = self.producer[node.input[1]]
        scale = self.steps[node.input[0]][0] * self.graph.constant(weights.input[1])
        limit = np.iinfo(np.int32).max
        whole = np.clip(np.round(bias / scale), -limit, limit).astype(np.int32)
        name = self.graph.add_constant(f"{node.output[0]}_bias", whole)
        zero = np.zeros(len(whole), np.int32)
        node.input[2] = self.graph.dequantize(name, scale.astype(np.float32), zero, axis=0)
