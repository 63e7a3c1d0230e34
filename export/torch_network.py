"""A graph as a torch module, for the targets that torch's own tools write."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import onnx
from onnx import helper, numpy_helper

from roadseg.export.half_weights import restore
from roadseg.runtime.errors import MissingExtra, ModelError

if TYPE_CHECKING:
    import torch

Attributes = dict[str, Any]
Operator = Callable[[Sequence[Any], Attributes], Any]


def require_torch(target: str) -> None:
    """Raise MissingExtra, in the name of `target`, without torch."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtra("torch", "train", f"seg-export --to {target}")


def torch_network(model: onnx.ModelProto, target: str) -> torch.nn.Module:
    """Return a float artefact's graph as a module: pixels (1, H, W, 3) uint8 to logits.

    Each node is one call, in the graph's order, so that tracing gives the same graph again.
    Raises ModelError, in the name of `target`, for an operator that is not known here,
    MissingExtra without torch.
    """
    require_torch(target)
    import torch

    graph = restore(model).graph
    known = _operators()
    for node in graph.node:
        if node.op_type not in known:
            raise ModelError(f"{target}: no layer for operator {node.op_type} ('{node.name}')")

    class Network(torch.nn.Module):
        """The graph; its weights are buffers."""

        def __init__(self) -> None:
            super().__init__()
            self.places = {tensor.name: f"w{n}" for n, tensor in enumerate(graph.initializer)}
            for tensor in graph.initializer:
                value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
                self.register_buffer(self.places[tensor.name], value)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            """(1, H, W, 3) uint8 -> logits (1, classes, H / stride, W / stride) float32."""
            values: dict[str, Any] = {graph.input[0].name: pixels, "": None}
            values |= {name: getattr(self, place) for name, place in self.places.items()}
            for node in graph.node:
                inputs = [values[name] for name in node.input]
                values[node.output[0]] = known[node.op_type](inputs, attributes(node))
            logits: torch.Tensor = values[graph.output[0].name]
            return logits

    return Network().eval()


def attributes(node: onnx.NodeProto) -> Attributes:
    """Return a node's attributes by name, strings as text."""
    found = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return {name: v.decode() if isinstance(v, bytes) else v for name, v in found.items()}


def _operators() -> dict[str, Operator]:
    """Return what each operator does to its inputs and attributes."""
    import torch
    from torch.nn import functional

    return {
        "Cast": lambda x, _: x[0].to(torch.float32),
        "Add": lambda x, _: x[0] + x[1],
        "Sub": lambda x, _: x[0] - x[1],
        "Mul": lambda x, _: x[0] * x[1],
        "Div": lambda x, _: x[0] / x[1],
        "Relu": lambda x, _: functional.relu(x[0]),
        "Sigmoid": lambda x, _: torch.sigmoid(x[0]),
        "HardSwish": lambda x, _: functional.hardswish(x[0]),
        "Clip": _clip,
        "Concat": lambda x, a: torch.cat(list(x), a["axis"]),
        "Transpose": lambda x, a: x[0].permute(*a["perm"]),
        "GlobalAveragePool": lambda x, _: x[0].mean((2, 3), keepdim=True),
        "MaxPool": _max_pool,
        "Conv": _convolution,
        "Resize": _resize,
    }


def _clip(inputs: Sequence[Any], _: Attributes) -> torch.Tensor:
    x: torch.Tensor = inputs[0]
    low, high = (None if each is None else float(each) for each in [*inputs[1:], None, None][:2])
    return x if low is None and high is None else x.clamp(low, high)


def _convolution(inputs: Sequence[Any], found: Attributes) -> torch.Tensor:
    from torch.nn import functional

    if found.get("auto_pad", "NOTSET") != "NOTSET":
        raise ModelError(f"a convolution with auto_pad {found['auto_pad']} cannot be converted")
    x, weights, bias = [*inputs, None][:3]
    sides = len(weights.shape) - 2
    pads = found.get("pads", [0] * 2 * sides)
    if pads[:sides] != pads[sides:]:
        x, pads = functional.pad(x, _torch_pads(pads)), [0] * sides
    how = (found.get("strides", 1), pads[:sides], found.get("dilations", 1), found.get("group", 1))
    return functional.conv2d(x, weights, bias, *how)


def _torch_pads(pads: Sequence[int]) -> list[int]:
    """Return ONNX's (top, left, bottom, right) as torch's (left, right, top, bottom)."""
    top, left, bottom, right = pads
    return [left, right, top, bottom]


def is_plain_pool(found: Attributes) -> bool:
    """Whether a MaxPool is torch's and ncnn's: padded as it says, every value, rounded down."""
    strided = found.get("ceil_mode") or any(side != 1 for side in found.get("dilations", ()))
    return not strided and found.get("auto_pad", "NOTSET") == "NOTSET"


def is_plain_resize(found: Attributes, factors: Sequence[float]) -> bool:
    """Whether a Resize by factors (height, width) is torch's and ncnn's.

    Their nearest rounds down. ONNX's default rounds to the nearer one: the same up to twice.
    """
    how = found.get("mode"), found.get("coordinate_transformation_mode", "half_pixel")
    if len(factors) != 2 or found.get("antialias"):
        return False
    rounding = found.get("nearest_mode", "round_prefer_floor")
    same = rounding == "floor" or (rounding == "round_prefer_floor" and set(factors) <= {1.0, 2.0})
    return how == ("linear", "half_pixel") or (how == ("nearest", "asymmetric") and same)


def resize_words(found: Attributes) -> str:
    """Return what a Resize is told apart by, for messages."""
    how = found.get("mode"), found.get("coordinate_transformation_mode", "half_pixel")
    return f"mode {how[0]}, {how[1]}, {found.get('nearest_mode', 'round_prefer_floor')}"


def _max_pool(inputs: Sequence[Any], found: Attributes) -> torch.Tensor:
    from torch.nn import functional

    pads, x = found.get("pads", [0] * 4), inputs[0]
    if not is_plain_pool(found):
        raise ModelError("a MaxPool with dilations, auto_pad or rounding up cannot be converted")
    if any(pads):
        x = functional.pad(x, _torch_pads(pads), value=float("-inf"))
    return functional.max_pool2d(x, found["kernel_shape"], found.get("strides", 1))


def _resize(inputs: Sequence[Any], found: Attributes) -> torch.Tensor:
    from torch.nn import functional

    x, scales = inputs[0], inputs[2] if len(inputs) > 2 else None
    factors = [] if scales is None else [float(each) for each in scales[2:]]
    if is_plain_resize(found, factors):
        mode = "nearest" if found["mode"] == "nearest" else "bilinear"
        return functional.interpolate(x, scale_factor=factors, mode=mode)
    raise ModelError(f"a Resize of {resize_words(found)} cannot be converted")
