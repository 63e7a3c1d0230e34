"""A graph of quantised tensors: what rewrites of Q/DQ share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

# The artefact's steps from 0 to the largest magnitude. CPUs without VNNI multiply u8 x s8, add
# pairs of products and saturate the sum at 16 bits. With 255 * 63 * 2 < 2^15 nothing saturates, so
# that every machine computes the same. Depthwise kernels do not add in pairs and keep 8 bits.
ACTIVATION_STEPS = 127
WEIGHT_STEPS = 63
DEPTHWISE_STEPS = 127

# Metadata of a float graph that was trained for INT8: JSON of the largest magnitude by the input
# tensor of each convolution.
TRAINED_RANGES_KEY = "roadseg.trained_ranges"

Steps = tuple[np.float32, np.integer[Any]]  # scale and zero point

PIXEL_RANGE = 127 / 128  # of (pixel - 127) / 128: a step of INT8 is then one step of a pixel


def weight_steps(shape: tuple[int, ...]) -> int:
    """Return the steps of weights (M, C / group, kH, kW)."""
    is_depthwise = shape[1] == 1 and shape[0] > 1
    return DEPTHWISE_STEPS if is_depthwise else WEIGHT_STEPS


class QdqGraph:
    """Nodes and constants of a model, to be edited and made a model again.

    A quantised copy of tensor NAME is NAME_q, a dequantised one NAME_dq.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        import onnx

        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        self.nodes: list[onnx.NodeProto] = list(copy.graph.node)
        self.outputs = {value.name for value in copy.graph.output}
        self._constants = {tensor.name: tensor for tensor in copy.graph.initializer}

    def constant(self, name: str) -> NDArray[Any]:
        """Return the value of a constant."""
        from onnx import numpy_helper

        return numpy_helper.to_array(self._constants[name])

    def add_constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        """Add a constant; return its name."""
        from onnx import numpy_helper

        self._constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def has_constant(self, name: str) -> bool:
        """Whether a name is that of a constant."""
        return name in self._constants

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node at the end; return its output's name."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def quantize(self, name: str, scale: np.float32, zero: np.integer[Any]) -> str:
        """Add a Q behind a tensor; return the name of the quantised copy."""
        places = [
            self.add_constant(f"{name}_scale", scale),
            self.add_constant(f"{name}_zero", zero),
        ]
        return self.add("QuantizeLinear", [name, *places], f"{name}_q")

    def quantize_pair(self, name: str, scale: np.float32, zero: np.integer[Any]) -> str:
        """Add Q and DQ behind a tensor, of the same constants; return the dequantised copy."""
        quantized = self.quantize(name, scale, zero)
        places = list(self.nodes[-1].input[1:])
        return self.add("DequantizeLinear", [quantized, *places], f"{name}_dq")

    def dequantize(
        self,
        name: str,
        scale: np.float32 | NDArray[np.float32],
        zero: np.integer[Any] | NDArray[Any],
        output: str = "",
        **attributes: Any,
    ) -> str:
        """Add a DQ behind a tensor of integers; return the name of its output, or NAME_dq."""
        output = output or f"{name}_dq"
        places = [
            self.add_constant(f"{output}_scale", scale),
            self.add_constant(f"{output}_zero", zero),
        ]
        return self.add("DequantizeLinear", [name, *places], output, **attributes)

    def drop_unused(self) -> None:
        """Take away nodes whose outputs nobody reads, and then those that only they read."""
        used = set(self.outputs)
        kept = []
        for node in reversed(self.nodes):
            if used.intersection(node.output):
                kept.append(node)
                used.update(node.input)
        self.nodes = kept[::-1]

    def drop_activation_pairs(self) -> None:
        """Take away Q → DQ pairs: what they quantised is read as it is. DQs of weights stay."""
        origin = {n.output[0]: n.input[0] for n in self.nodes if n.op_type == "QuantizeLinear"}
        plain = {
            node.output[0]: origin[node.input[0]]
            for node in self.nodes
            if node.op_type == "DequantizeLinear" and node.input[0] in origin
        }
        dropped = set(origin) | set(plain)
        self.nodes = [node for node in self.nodes if node.output[0] not in dropped]
        for node in self.nodes:
            for place, name in enumerate(node.input):
                node.input[place] = plain.get(name, name)

    def to_model(self, like: onnx.ModelProto) -> onnx.ModelProto:
        """Return a model of these nodes with the inputs, outputs and metadata of another."""
        from onnx import helper

        used = {name for node in self.nodes for name in node.input}
        graph = helper.make_graph(
            self.nodes,
            like.graph.name,
            list(like.graph.input),
            list(like.graph.output),
            [tensor for name, tensor in self._constants.items() if name in used],
        )
        made = helper.make_model(
            graph, opset_imports=list(like.opset_import), ir_version=like.ir_version
        )
        made.metadata_props.extend(like.metadata_props)
        return made
