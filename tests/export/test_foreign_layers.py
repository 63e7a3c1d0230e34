"""Layers of other tools' networks: in float16, in INT8, and in runtimes that compute otherwise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from foreign_network import FRAMES, network, nothing
from onnx import TensorProto, helper, numpy_helper

from roadseg.export.scores import snr_db
from roadseg.export.torch_network import torch_network
from roadseg.runtime.errors import ModelError

Change = Callable[[onnx.ModelProto], None]
Refused = Callable[..., str]


def too_large_for_half(model: onnx.ModelProto) -> None:
    """Weights that are infinite in float16."""
    weights = model.graph.initializer[0]
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * 1e6, "w1"))


@pytest.mark.parametrize("option", ["--fp16", "--half-weights"])
def test_logits_that_are_no_numbers_are_not_delivered(
    refused: Refused, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roadseg.export.half_weights.SMALL", 1)
    monkeypatch.setattr("roadseg.export.steps.check_overflow", lambda ranges: None)
    line = refused(too_large_for_half, *FRAMES, option, code=1)
    assert "nan dB signal to noise" in line


def line_of_channels(model: onnx.ModelProto) -> None:
    """A convolution over channels, (1, 1, 8), as in efficient channel attention."""
    tensors = {"row": np.array([1, 1, 8]), "column": np.array([1, 8, 1, 1])}
    tensors["w"] = np.ones((1, 1, 3), np.float32)
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in tensors.items())
    nodes = [
        helper.make_node("GlobalAveragePool", ["b"], ["g0"]),
        helper.make_node("Reshape", ["g0", "row"], ["g1"]),
        helper.make_node("Conv", ["g1", "w"], ["g2"], pads=[1, 1]),
        helper.make_node("Reshape", ["g2", "column"], ["g3"]),
        helper.make_node("Mul", ["f", "g3"], ["f2"]),
    ]
    last = model.graph.node.pop()
    last.input[0] = "f2"
    model.graph.node.extend([*nodes, last])


@pytest.mark.parametrize(
    ("change", "option", "message"),
    [
        (line_of_channels, "--int8", "cannot be INT8: its weights are not constants of four sides"),
        (nothing, "--bias-correction", "--bias-correction and --equalize need opset 18, it has 17"),
        (nothing, "--equalize", "--bias-correction and --equalize need opset 18, it has 17"),
    ],
)
def test_what_cannot_be_int8(refused: Refused, change: Change, option: str, message: str) -> None:
    assert message in refused(change, *FRAMES, "--int8", option)


def resize(model: onnx.ModelProto, by: int, **how: object) -> None:
    """Let the network end in a Resize of its logits."""
    model.graph.initializer.append(numpy_helper.from_array(np.float32([1, 1, by, by]), "by"))
    model.graph.node[-1].output[0] = "small"
    node = helper.make_node("Resize", ["small", "", "by"], ["out"], **how)
    model.graph.node.append(node)


NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}


@pytest.mark.parametrize(
    ("by", "how", "taken"),
    [
        (2, NEAREST, True),
        (4, NEAREST, False),
        (4, {**NEAREST, "nearest_mode": "floor"}, True),
        (2, {**NEAREST, "nearest_mode": "ceil"}, False),
        (4, {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}, True),
    ],
)
def test_a_resize_is_torchs_or_refused(by: int, how: dict[str, str], taken: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = network()
    resize(model, by, **how)
    image = np.random.default_rng(0).normal(size=(1, 3, 16, 24)).astype(np.float32)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, {"image": image})[0]
    other = torch_network(model, "torchscript")
    if taken:
        assert snr_db(expected, other(torch.from_numpy(image)).numpy()) > 80
    else:
        with pytest.raises(ModelError, match="a Resize of mode nearest, asymmetric"):
            other(torch.from_numpy(image))


def nearest_by_four(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("strides", [4, 4]))
    model.graph.node[5].input[0] = "d"
    model.graph.node[5].input[1] = "c"
    del model.graph.node[4]
    resize(model, 4, **NEAREST)


def resize_of_two_axes(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 18
    model.graph.initializer[-1].CopyFrom(numpy_helper.from_array(np.float32([2, 2]), "twice"))
    model.graph.node[4].attribute.append(helper.make_attribute("axes", [2, 3]))


def pool_that_pads_itself(model: onnx.ModelProto) -> None:
    model.graph.node[2].attribute.append(helper.make_attribute("auto_pad", "SAME_UPPER"))


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [([], -9, 9), (["", ""], -9, 9), (["", "one"], -9, 1), (["one"], 1, 9)],
)
def test_a_clip_may_lack_bounds(bounds: list[str], low: float, high: float) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy")
    nodes, one = [helper.make_node("Clip", ["x", *bounds], ["y"])], np.float32(1)
    graph = helper.make_graph(nodes, "clip", [x], [y], [numpy_helper.from_array(one, "one")])
    found = torch_network(helper.make_model(graph), "torchscript")(torch.tensor([-9.0, 0.0, 9.0]))
    assert found.tolist() == np.clip([-9.0, 0.0, 9.0], low, high).tolist()


@pytest.mark.parametrize("target", ["ncnn", "torchscript", "coreml"])
@pytest.mark.parametrize("change", [nearest_by_four, resize_of_two_axes, pool_that_pads_itself])
def test_layers_that_would_differ_are_refused(
    refused: Refused, target: str, change: Change
) -> None:
    for package in ("ncnn", "torch", "coremltools"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    line = refused(change, *FRAMES, "--to", target)
    assert "Resize of mode" in line or "MaxPool with dilations, auto_pad" in line
