"""Equalisation: the same float outputs from channels of like magnitude."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from roadseg.calibration import channel_maxima, collect_ranges, equalize, quantize
from roadseg.calibration.equalize import ROOM, find_pairs
from roadseg.data import open_dataset
from roadseg.export.cli import main
from roadseg.export.scores import snr_db
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.engines.qdq import QdqGraph

UNEVEN = np.array([0.02, 0.3, 1.0, 8.0], np.float32)  # gains of the channels of the first layer


def network(activation: str, reader: str = "dense") -> onnx.ModelProto:
    """Two convolutions with very uneven channels between them; shared with an Add if so told."""
    random = np.random.default_rng(0)
    first = random.uniform(0.5, 1, (4, 3, 1, 1)).astype(np.float32) * UNEVEN[:, None, None, None]
    group = 4 if reader == "depthwise" else 1
    tensors = {
        "first": first,
        "bias": UNEVEN / 10,
        "second": random.normal(0, 1, (4, 4 // group, 3, 3)).astype(np.float32),
        "low": np.float32(0),
        "high": np.float32(6),
        "offset": np.float32(0.2),
    }
    limits = ["low", "high"] if activation == "Clip" else []
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["real"], ["bytes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["bytes", "offset"], ["planes"]),
        helper.make_node("Conv", ["planes", "first", "bias"], ["a"]),
        helper.make_node(activation, ["a", *limits], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], group=group),
    ]
    out = "c"
    if reader == "add":
        nodes.append(helper.make_node("MaxPool", ["b"], ["p"], kernel_shape=[3, 3]))
        nodes.append(helper.make_node("Add", ["c", "p"], ["d"]))
        out = "d"
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, "h", "w", 3])
    logits = helper.make_tensor_value_info(out, TensorProto.FLOAT, [1, 4, "y", "x"])
    made = [numpy_helper.from_array(np.asarray(v), name) for name, v in tensors.items()]
    graph = helper.make_graph(nodes, "pair", [pixels], [logits], made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"pixels": pixels[None]})[0]


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 12, (24, 24, 3)).astype(np.uint8)


@pytest.mark.parametrize("reader", ["dense", "depthwise"])
@pytest.mark.parametrize("activation", ["Relu", "Clip"])
def test_float_stays_and_int8_gains(activation: str, reader: str, picture: np.ndarray) -> None:
    before = network(activation, reader)
    largest = channel_maxima(before, [picture])
    after = equalize(before, largest)
    expected = run(before, picture)
    assert snr_db(expected, run(after, picture)) > 110

    def int8_error(model: onnx.ModelProto) -> np.ndarray:
        made = quantize(model, collect_ranges(model, [picture]) | {"planes": 2.2})
        error = np.square(run(made, picture) - expected).mean((0, 2, 3))
        return error / np.square(expected).mean((0, 2, 3))

    if reader == "depthwise":  # each channel is seen in the output
        assert int8_error(after)[0] < int8_error(before)[0] / 20
    else:
        assert int8_error(after).mean() < int8_error(before).mean() * 1.02

    spread = channel_maxima(after, [picture])["b"]
    assert spread.max() / spread.min() < largest["b"].max() / largest["b"].min() / 4


@pytest.mark.parametrize("bounds", [["low"], ["", "high"], []], ids=["low", "high", "none"])
def test_a_clip_with_one_bound_or_none(bounds: list[str], picture: np.ndarray) -> None:
    """Clip to 0 alone is ReLU; without it negative values pass, which no factor may be put in."""
    before = network("Clip")
    node = next(node for node in before.graph.node if node.op_type == "Clip")
    node.input[1:] = [next(n for n in node.input if "low" in n)] if bounds == ["low"] else bounds
    (pair,) = [each for each in find_pairs(QdqGraph(before)) if each.tensor == "b"] or [None]
    assert (pair is not None) == (bounds == ["low"])
    assert pair is None or pair.bound == np.inf
    after = equalize(before, channel_maxima(before, [picture]))
    assert snr_db(run(before, picture), run(after, picture)) > 110


def test_a_channel_that_reaches_the_bound_keeps_its_scale(picture: np.ndarray) -> None:
    before = network("Clip")
    largest = channel_maxima(before, [picture])["b"]
    assert largest[3] == 6
    after = equalize(before, {"b": largest})
    first = [QdqGraph(model).nodes[3].input[1] for model in (before, after)]
    weights = [
        QdqGraph(model).constant(name) for model, name in zip((before, after), first, strict=True)
    ]
    np.testing.assert_array_equal(weights[0][3], weights[1][3])
    assert not np.allclose(weights[0][0], weights[1][0])
    reached = channel_maxima(after, [picture])["b"]
    assert (reached[largest <= ROOM * 6] <= ROOM * 6 * (1 + 1e-5)).all()
    np.testing.assert_array_equal(reached[largest > ROOM * 6], largest[largest > ROOM * 6])


def test_a_brighter_frame_is_within_the_room_that_was_left(picture: np.ndarray) -> None:
    before = network("Clip", "depthwise")
    after = equalize(before, channel_maxima(before, [picture]))
    brighter = (picture * 1.2).astype(np.uint8)
    assert snr_db(run(before, brighter), run(after, brighter)) > 110
    glaring = np.full_like(picture, 255)
    assert snr_db(run(before, glaring), run(after, glaring)) < 60  # told in the module


def test_what_others_read_too_is_left(picture: np.ndarray) -> None:
    before = network("Relu", "add")
    assert find_pairs(QdqGraph(before)) == []
    assert channel_maxima(before, [picture]) == {}
    np.testing.assert_array_equal(run(equalize(before, {}), picture), run(before, picture))


def test_a_trained_network_keeps_its_logits(exported: Path, roads: Path) -> None:
    model = onnx.load(exported / "mobileunet.onnx")
    dataset = open_dataset(str(roads))
    frames = [dataset.load(sample)[0] for sample in dataset.samples[:3]]
    after = equalize(model, channel_maxima(model, frames))
    assert len(find_pairs(QdqGraph(model))) > 15
    for each in frames:
        assert snr_db(run(model, each), run(after, each)) > 90


def test_the_command_equalizes_and_says_so(exported: Path, roads: Path, tmp_path: Path) -> None:
    words = [str(exported / "mobileunet.onnx"), "--int8", "--equalize", "--data", str(roads)]
    assert main([*words, "--out", str(tmp_path), "--max-drop", "100"]) == 0
    assert read_artifact(tmp_path / "mobileunet-int8.onnx")[1].quantization["equalize"] is True
    assert (tmp_path / "mobileunet-int8.onnx").read_bytes() != (
        exported / "mobileunet-int8.onnx"
    ).read_bytes()
