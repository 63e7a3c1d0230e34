"""ONNX networks of other tools: given the interface of an artefact, and a ModelSpec.

Such a network takes normalised floats, (1, 3, H, W); an artefact takes pixels. What goes in front:

    pixels ─ Cast ─ Sub 127 ─ Mul 1/128 ─ Transpose ─ Conv 1x1 ─ (the network)

The 1x1 convolution turns (pixel - 127) / 128 into (pixel - mean) / scale, by channel, and red,
green, blue into the network's order.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, compose, helper, numpy_helper

from roadseg.export.external_data import read_whole
from roadseg.export.to_onnx import INPUT, OUTPUT
from roadseg.runtime.artifact import fixed_size
from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ClassInfo, ModelSpec

MEAN, SCALE = 127.0, 128.0  # what is folded into every artefact
QUANTIZED_OPS = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv"}
OUR_NAMES = re.compile("pixels|logits|mask|head_.*|logits_full|mask_wide")  # also mask_head's
PREFIX = "/network/"  # before their names, as in a traced network


@dataclass(frozen=True)
class Description:
    """What only its maker knows of a network: the JSON file of --spec.

    classes: by class id: name, color (RGB) and, for roads, drivable.
    mean, scale: of 8-bit pixels, (pixel - mean) / scale is what the network takes; a number, or
        three in its own order of colours.
    color_order: that the network takes, "RGB" or "BGR".
    width, height: of its input; not needed when the graph has them.
    multiple: both sides of an input must be multiples of this.
    name: what it is called; by default as the file.
    trained_on: data sets and licence, as one likes.
    """

    classes: tuple[ClassInfo, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    color_order: str = "RGB"
    width: int = 0
    height: int = 0
    multiple: int = 32
    name: str = ""
    trained_on: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what the head is made of."""
        if self.color_order not in ("RGB", "BGR"):
            raise ValueError(f"color_order is '{self.color_order}', not RGB or BGR")
        if not all(value > 0 for value in self.scale):
            raise ValueError("scale must be more than 0")
        for name, least in (("width", 0), ("height", 0), ("multiple", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} is {value!r}, not a whole number of {least} or more")
        for name, kind in (("name", str), ("trained_on", dict)):
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name} is {getattr(self, name)!r}, not a {kind.__name__}")

    @classmethod
    def read(cls, path: Path) -> Description:
        """Read the file; raises ModelError naming what is wrong with it."""
        try:
            raw = json.loads(path.read_text())
            known = {entry.name for entry in dataclasses.fields(cls)}
            if unknown := sorted(set(raw) - known):
                raise ValueError(f"unknown '{unknown[0]}', known are {', '.join(sorted(known))}")
            classes = tuple(map(_class_info, raw.pop("classes")))
            mean, scale = (_by_channel(raw.pop(name)) for name in ("mean", "scale"))
            return cls(classes, mean, scale, **raw)
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror or error}") from None
        except KeyError as error:
            raise ModelError(f"{path}: {error} is missing") from None
        except (ValueError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: does not describe a network ({error})") from None


def _class_info(raw: dict[str, Any]) -> ClassInfo:
    drivable = raw.get("drivable", False)
    if not isinstance(drivable, bool):
        raise ValueError(f"drivable is {drivable!r}, not true or false")
    return ClassInfo(raw["name"], tuple(raw["color"]), drivable)


def _by_channel(value: Any) -> tuple[float, ...]:
    values = tuple(float(each) for each in np.broadcast_to(np.asarray(value, np.float64), 3))
    if not np.isfinite(values).all():
        raise ValueError(f"{value} is not finite")
    return values


def foreign_to_artifact(path: Path, described: Description) -> tuple[onnx.ModelProto, ModelSpec]:
    """Return another tool's ONNX network as an artefact; raises ModelError for what cannot be."""
    model = read_whole(path)
    if any(node.op_type in QUANTIZED_OPS for node in model.graph.node):
        raise ModelError(f"{path}: is quantised already: export starts from its float32 form")
    source = _only_input(model, path)
    _rename_output(model, path)
    _add_head(model, source, described)
    fixed = fixed_size(model)
    asked = Size(described.width, described.height)
    size = asked if asked.width and asked.height else fixed
    if size is None:
        raise ModelError(f"{path}: takes any size: put the usual width and height into --spec")
    if fixed and fixed != size:
        raise ModelError(f"{path}: takes {fixed} alone, --spec has {size}")
    spec = ModelSpec(
        name=described.name or path.stem.lower(),
        classes=described.classes,
        width=size.width,
        height=size.height,
        multiple=described.multiple,
        stride=_measure_stride(model, size, len(described.classes), path),
        network={"from": path.name, "mean": described.mean, "scale": described.scale},
        trained_on=described.trained_on,
    )
    return model, spec


def _only_input(model: onnx.ModelProto, path: Path) -> onnx.ValueInfoProto:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [
        each for each in model.graph.input if each.name not in constants
    ]
    if len(inputs) != 1:
        raise ModelError(f"{path}: has {len(inputs)} inputs, an artefact has one: the image")
    kind, sides = inputs[0].type.tensor_type.elem_type, inputs[0].type.tensor_type.shape.dim
    fits = kind == TensorProto.FLOAT and len(sides) == 4 and sides[1].dim_value in (0, 3)
    if not fits or sides[0].dim_value > 1:
        shape = ", ".join(str(each.dim_value or each.dim_param or "?") for each in sides)
        name = TensorProto.DataType.Name(kind)
        raise ModelError(
            f"{path}: its input '{inputs[0].name}' is {name} ({shape}): float32 (1, 3, height, "
            "width) is needed"
        )
    return inputs[0]


def _rename_output(model: onnx.ModelProto, path: Path) -> None:
    """Keep the first output, as logits; others are for training alone. ModelError for no floats."""
    names = [each.name for each in model.graph.output]
    kind = model.graph.output[0].type.tensor_type.elem_type
    if kind != TensorProto.FLOAT:
        raise ModelError(
            f"{path}: its output '{names[0]}' is {TensorProto.DataType.Name(kind)}: float32 logits "
            "(1, classes, rows, columns) are needed"
        )
    if len(names) > 1:
        print(f"{path.name} has outputs {', '.join(names)}: '{names[0]}' is taken")
    _free_our_names(model)
    first = model.graph.output[0].name
    for node in model.graph.node:
        for values in (node.input, node.output):
            values[:] = [OUTPUT if name == first else name for name in values]
    del model.graph.output[:]
    sides: list[str | int | None] = [1, "classes", "rows", "columns"]
    model.graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, sides))
    del model.graph.value_info[:]


def _free_our_names(model: onnx.ModelProto) -> None:
    """Give all tensors other names when one, but for the first output, has a name of ours."""
    graph = model.graph
    names = {name for node in graph.node for name in node.output}
    names |= {each.name for each in (*graph.input, *graph.initializer)}
    if any(map(OUR_NAMES.fullmatch, names - {graph.output[0].name})):
        compose.add_prefix(model, PREFIX, inplace=True)


def _add_head(model: onnx.ModelProto, source: onnx.ValueInfoProto, described: Description) -> None:
    """Put what turns pixels into the network's input in front of it."""
    mean, scale = np.array(described.mean), np.array(described.scale)
    weights = np.zeros((3, 3, 1, 1), np.float32)
    order = [0, 1, 2] if described.color_order == "RGB" else [2, 1, 0]
    weights[range(3), order, 0, 0] = SCALE / scale
    constants = {
        "head_mean": np.float32(MEAN),
        "head_scale": np.float32(1 / SCALE),
        "head_weights": weights,
        "head_bias": ((MEAN - mean) / scale).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", [INPUT], ["head_real"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["head_real", "head_mean"], ["head_centred"]),
        helper.make_node("Mul", ["head_centred", "head_scale"], ["head_scaled"]),
        helper.make_node("Transpose", ["head_scaled"], ["head_planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "Conv", ["head_planes", "head_weights", "head_bias"], [source.name], kernel_shape=[1, 1]
        ),
    ]
    sides = source.type.tensor_type.shape.dim
    height, width = sides[2].dim_value or "height", sides[3].dim_value or "width"
    pixels = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [1, height, width, 3])
    graph, rest = model.graph, list(model.graph.node)
    constant_inputs = [each for each in graph.input if each.name != source.name]
    del graph.node[:], graph.input[:]
    graph.node.extend([*nodes, *rest])
    graph.input.extend([pixels, *constant_inputs])
    graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in constants.items())


def _measure_stride(model: onnx.ModelProto, size: Size, classes: int, path: Path) -> int:
    """Return the stride of the logits, from one run; raises ModelError when it is not one."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        pixels = np.zeros((1, size.height, size.width, 3), np.uint8)
        (logits,) = session.run(None, {INPUT: pixels})
    except Exception as error:  # ONNX Runtime's own exceptions have no common base
        raise ModelError(f"{path}: does not run at {size} ({str(error).splitlines()[0]})") from None
    if logits.ndim != 4 or logits.shape[1] != classes:
        raise ModelError(
            f"{path}: gives {logits.dtype} of shape {logits.shape}: logits (1, classes, rows, "
            f"columns) are needed, and --spec has {classes} classes"
        )
    stride = size.height // logits.shape[2]
    if (logits.shape[2] * stride, logits.shape[3] * stride) != (size.height, size.width):
        raise ModelError(f"{path}: logits of {logits.shape[2:]} are no whole stride of {size}")
    return int(stride)
