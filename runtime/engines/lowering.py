"""The form of an INT8 artefact that the CPU engines run fastest, made at load from its scales.

The artefact is in TensorRT's form: int8, zero point 0, pairs at the inputs of convolutions only.
In that form ONNX Runtime and OpenVINO find nothing to fuse. The lowered form, with the same ranges:

    pixels uint8 ─ DQ(1/128, 127) ─ Transpose ─ Conv ─ Clip ─ Q(1, 0) ─ DQ(s, z) ─ Conv ─ …
                                                 └ W, bias: DQ

- 8-bit pixels are the quantised input, (pixel - 127) / 128;
- a first convolution of stride 4 reads the bytes of 4 pixels as 3 words, see pixel_words;
- outputs are quantised after their Clip, so that Conv, Clip and Q become one integer convolution;
- tensors that cannot be negative (after ReLU, ReLU6) are uint8 over [0, amax]: the upper bound
  of the Clip is then the type's, and nothing is left to clip; others are uint8 around 128;
- a convolution gives its result in steps: the scales of its weights are divided by the result's
  step s, and its bias takes up the zero point z. Only rounding is left to do behind its sums;
- without padding, a bias takes up the zero point of the input as well (DQ(s, 0) before it);
- adds, resizes and concatenations are quantised too, so that no float tensor is written between.

The DQ of the pixels stands before the Transpose: OpenVINO computes the first convolution in float
when it stands behind it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from roadseg.runtime.engines.integer_conv import is_padded, rewrite_conv
from roadseg.runtime.engines.pixel_words import PERIOD, WORD, can_read_words, read_words
from roadseg.runtime.engines.qdq import QdqGraph, Steps

if TYPE_CHECKING:
    import onnx

RANGES_KEY = "roadseg.ranges"  # metadata: JSON of the largest magnitude by activation tensor
INTEGER_OPS = frozenset({"Conv", "Add", "Resize", "Concat", "GlobalAveragePool"})
UNSIGNED, SIGNED = 255, 127  # steps from 0 to the largest magnitude
SIGNED_ZERO = np.uint8(128)

INPUT_STEPS: Steps = np.float32(1 / 128), np.uint8(127)
UNIT_STEPS: Steps = np.float32(1), np.uint8(0)


def lower_for_cpu(model: onnx.ModelProto, multiple: int = 1) -> onnx.ModelProto:
    """Return the form for ONNX Runtime and OpenVINO; a float model is returned as it is.

    multiple: of pixels that every input's width will be, as ModelSpec has it.
    """
    ranges = read_ranges(model)
    return _Lowering(model, ranges, multiple).run() if ranges else model


def read_ranges(model: onnx.ModelProto) -> dict[str, float]:
    """Return the largest magnitude of each activation tensor, {} for a float model."""
    for entry in model.metadata_props:
        if entry.key == RANGES_KEY:
            return {name: float(value) for name, value in json.loads(entry.value).items()}
    return {}


class _Lowering:
    """Reads the whole graph first, then writes its nodes again in order.

    steps: of the tensors to quantise. integers: the quantised ones that are written, by the
    tensor's name. in_steps: tensors that a convolution gives in steps of what is quantised next.
    """

    def __init__(self, model: onnx.ModelProto, ranges: dict[str, float], multiple: int) -> None:
        self.model, self.ranges, self.multiple = model, ranges, multiple
        self.graph = QdqGraph(model)
        self.graph.drop_activation_pairs()
        self.producer = {name: node for node in self.graph.nodes for name in node.output}
        self.users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.graph.nodes:
            for name in node.input:
                self.users[name].append(node)
        self.steps = {name: self._steps(name) for name in ranges if self._is_wanted(name)}
        self.integers: dict[str, str] = {}
        self.copies: dict[tuple[str, bool], str] = {}
        self.in_steps: dict[str, Steps] = {}

    def run(self) -> onnx.ModelProto:
        nodes, self.graph.nodes = self.graph.nodes, []
        done = self._lower_input(nodes)
        for node in nodes:
            if node.output[0] not in done:
                self._lower(node)
        self.graph.drop_unused()
        return self.graph.to_model(self.model)

    def _lower_input(self, nodes: list[onnx.NodeProto]) -> set[str]:
        """Replace Cast, Sub, Mul, Transpose by a DQ of the bytes and a Transpose.

        Returns the outputs of the nodes that are replaced; none when the first layer is float.
        """
        head = [node for node in nodes if node.op_type in ("Cast", "Sub", "Mul", "Transpose")][:4]
        if [node.op_type for node in head] != ["Cast", "Sub", "Mul", "Transpose"]:
            return set()
        pixels, planes = head[0].input[0], head[-1].output[0]
        if not any(self._is_integer(user) for user in self.users[planes]):
            return set()
        real = self.graph.dequantize(pixels, *INPUT_STEPS, f"{planes}_dq")
        users = self.users[planes]
        if len(users) == 1 and self.multiple % PERIOD == 0 and can_read_words(users[0]):
            read_words(self.graph, users[0], self.producer[users[0].input[1]])
            shape = self.graph.add_constant(f"{planes}_shape", np.array([0, 0, -1, WORD], np.int64))
            real = self.graph.add("Reshape", [real, shape], f"{planes}_words")
        copy = self.graph.add("Transpose", [real], f"{planes}_planes", perm=[0, 3, 1, 2])
        self.integers[planes], self.steps[planes] = pixels, INPUT_STEPS
        self.copies[planes, False] = copy
        return {node.output[0] for node in head}

    def _lower(self, node: onnx.NodeProto) -> None:
        if self._is_integer(node):
            if node.op_type == "Conv" and node.input[0] in self.integers:
                self._lower_conv(node)
            else:
                for place, name in enumerate(node.input):
                    node.input[place] = self._copy(name) if name in self.integers else name
        elif node.op_type == "Clip" and node.input[0] in self.in_steps:
            self._move_bounds(node)
        self.graph.nodes.append(node)
        name = node.output[0]
        if name in self.steps:
            steps = UNIT_STEPS if name in self.in_steps else self.steps[name]
            self.integers[name] = self.graph.quantize(name, *steps)

    def _copy(self, name: str, moved: bool = False) -> str:
        """Return the dequantised copy of a tensor; moved: with its zero point still in it."""
        if (name, moved) not in self.copies:
            scale, zero = self.steps[name]
            output = f"{name}_moved" if moved else f"{name}_dq"
            kept = np.uint8(0) if moved else zero
            self.copies[name, moved] = self.graph.dequantize(
                self.integers[name], scale, kept, output
            )
        return self.copies[name, moved]

    def _lower_conv(self, node: onnx.NodeProto) -> None:
        """Let a convolution give steps of what is quantised next."""
        source, result = node.input[0], self._result(node)
        scale, zero = self.steps[source]
        moved = zero == SIGNED_ZERO and not is_padded(node)
        steps = self.steps[result] if result else UNIT_STEPS
        kept = zero if moved else np.uint8(0)
        rewrite_conv(self.graph, node, self.producer[node.input[1]], (scale, kept), steps)
        node.input[0] = self._copy(source, moved)
        if result:
            self.in_steps |= {node.output[0]: steps, result: steps}

    def _result(self, node: onnx.NodeProto) -> str:
        """Return the tensor that is quantised next, when a convolution alone makes it, or ""."""
        name = str(node.output[0])
        users = self.users[name]
        if len(users) == 1 and users[0].op_type in ("Clip", "Relu"):
            name = str(users[0].output[0])
            if not all(self.graph.has_constant(bound) for bound in users[0].input[1:] if bound):
                return ""
        whole = name in self.steps and all(self._is_integer(user) for user in self.users[name])
        return name if whole else ""

    def _move_bounds(self, node: onnx.NodeProto) -> None:
        """Give the bounds of a Clip in the steps of its input."""
        scale, zero = self.in_steps[node.input[0]]
        for place, name in enumerate(node.input[1:], 1):
            if name:
                bound = self.graph.constant(name) / scale + np.float32(zero)
                node.input[place] = self.graph.add_constant(f"{node.output[0]}_{place}", bound)

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
        return np.float32(largest / SIGNED), SIGNED_ZERO

    def _is_positive(self, name: str) -> bool:
        """Whether a tensor cannot have negative values."""
        node = self.producer.get(name)
        if node is None:
            return False
        if node.op_type in ("Resize", "GlobalAveragePool"):
            return self._is_positive(node.input[0])
        if node.op_type in ("Add", "Concat"):
            return all(self._is_positive(each) for each in node.input)
        if node.op_type == "Clip":
            low = node.input[1] if len(node.input) > 1 else ""
            return self.graph.has_constant(low) and bool(self.graph.constant(low) >= 0)
        return node.op_type == "Relu"
