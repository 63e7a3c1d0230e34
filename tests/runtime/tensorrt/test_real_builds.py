"""Real builds of the shipped networks by TensorRT-RTX, whose parser and builder need no GPU."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from roadseg.export.half_weights import restore
from roadseg.export.to_fp16 import to_fp16
from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size
from roadseg.runtime.shipped import shipped_models
from roadseg.runtime.tensorrt.builder import PlanBuilder
from roadseg.runtime.tensorrt.options import PlanOptions

trt: Any = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")

SIZE = Size(1024, 512)
CONVOLUTIONS = {"mobileunet": 73, "deeplabv3plus": 49, "roadnet": 15}


def build(content: bytes, capability: str, options: PlanOptions | None = None) -> PlanBuilder:
    """Build for a GPU that is not here; the builder's log then lists its kernels."""
    builder = PlanBuilder(trt, "network", options or PlanOptions.of_size(SIZE), verbose=True)
    network = builder.parse(content)
    config = builder.configure(network)
    config.num_compute_capabilities = 1
    assert config.set_compute_capability(getattr(trt.ComputeCapability, capability), 0)
    assert len(builder.build(network, config)) > 100_000
    return builder


def convolutions(builder: PlanBuilder) -> Counter[tuple[str, str]]:
    """Count the built convolutions by the types of their input and their weights."""
    lines = [line for _, text in builder.log.lines for line in text.splitlines()]
    found: Counter[tuple[str, str]] = Counter()
    for line in lines:
        if "LayerType: correlation" in line:
            first, second = re.findall(r"Datatype: (\w+)", line)[:2]
            found[first, second] += 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize("capability", ["SM86", "SM89", "SM120"])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_every_convolution_of_the_int8_artefact_is_int8(name: str, capability: str) -> None:
    content = shipped_models()[f"{name}-int8"].read_bytes()
    found = convolutions(build(content, capability))
    assert found == {("Int8", "Int8"): CONVOLUTIONS[name]}


@pytest.mark.parametrize(
    ("name", "capability"), [("mobileunet", "SM86"), ("deeplabv3plus", "SM120")]
)
def test_float32_stays_float32(name: str, capability: str) -> None:
    content = shipped_models()[name].read_bytes()
    found = convolutions(build(content, capability))
    assert set(found) == {("Float", "Float")}
    assert found.total() > 0.9 * CONVOLUTIONS[name]  # a few are fused with others


@pytest.mark.parametrize(
    ("name", "capability"), [("mobileunet", "SM89"), ("deeplabv3plus", "SM86")]
)
def test_float16_is_float16(name: str, capability: str) -> None:
    content = to_fp16(restore(onnx.load(shipped_models()[name]))).SerializeToString()
    found = convolutions(build(content, capability))
    assert set(found) == {("Half", "Half")}
    assert found.total() > 0.9 * CONVOLUTIONS[name]


def test_a_range_of_sizes_and_each_option() -> None:
    content = shipped_models()["deeplabv3plus"].read_bytes()
    options = PlanOptions(Size(256, 128), Size(512, 256), Size(1024, 512), workspace_mb=512)
    assert convolutions(build(content, "SM86", options)).total() == 49


def test_flags_are_set_by_name() -> None:
    options = PlanOptions.of_size(SIZE, version_compatible=True)
    builder = PlanBuilder(trt, "network", options)
    config = builder.configure(builder.parse(shipped_models()["deeplabv3plus"].read_bytes()))
    assert config.get_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    assert not config.get_flag(trt.BuilderFlag.TF32)
    assert not config.get_flag(trt.BuilderFlag.GPU_FALLBACK)


@pytest.mark.parametrize("size", [Size(1024, 512), Size(640, 384)])
def test_the_profile(size: Size) -> None:
    builder = PlanBuilder(trt, "network", PlanOptions.of_size(size))
    network = builder.parse(shipped_models()["deeplabv3plus-int8"].read_bytes())
    profile = builder._profile(network)
    shape = (1, size.height, size.width, 3)
    assert [tuple(each) for each in profile.get_shape("pixels")] == [shape] * 3
    assert tuple(network.get_input(0).shape) == (1, -1, -1, 3)


def strange_operator(graph: onnx.ModelProto) -> None:
    graph.graph.node[-1].op_type = "NoSuchOperator"


def zero_point(graph: onnx.ModelProto) -> None:
    pair = next(node for node in graph.graph.node if node.op_type == "QuantizeLinear")
    for tensor in graph.graph.initializer:
        if tensor.name == pair.input[2]:
            tensor.CopyFrom(numpy_helper.from_array(np.int8(3).reshape(()), tensor.name))


def mixed_types(graph: onnx.ModelProto) -> None:
    add = next(node for node in graph.graph.node if node.op_type == "Add")
    cast = helper.make_node("Cast", [add.input[0]], ["half"], to=onnx.TensorProto.FLOAT16)
    graph.graph.node.insert(list(graph.graph.node).index(add), cast)
    add.input[0] = "half"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (strange_operator, r"cannot load it \(node '.*', NoSuchOperator: "),
        (zero_point, r"cannot load it \(.*zero"),
        (mixed_types, r"cannot (load|build) it \("),
    ],
)
def test_what_the_parser_refuses_is_told_in_one_line(
    damage: Callable[[onnx.ModelProto], None], message: str
) -> None:
    graph = onnx.load(shipped_models()["deeplabv3plus-int8"])
    damage(graph)
    with pytest.raises(ModelError, match=message) as error:
        build(graph.SerializeToString(), "SM86")
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_onnx_file() -> None:
    with pytest.raises(ModelError, match="cannot load it"):
        build(Path(__file__).read_bytes(), "SM86")
