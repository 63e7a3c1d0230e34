"""ONNX networks of other tools: made artefacts of, or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from roadseg.export.cli import main
from roadseg.export.scores import snr_db
from roadseg.export.torch_network import torch_network
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.cli import main as seg_run
from roadseg.runtime.engines import open_engine
from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size

Told = pytest.CaptureFixture[str]
Write = Callable[..., Path]

CLASSES = [
    {"name": "road", "color": [128, 64, 128], "drivable": True},
    {"name": "grass", "color": [0, 200, 0]},
    {"name": "sky", "color": [70, 130, 180]},
]
DESCRIBED = {
    "classes": CLASSES,
    "mean": [103.53, 116.28, 123.675],
    "scale": [57.375, 57.12, 58.395],
    "color_order": "BGR",
    "width": 96,
    "height": 64,
}
FRAMES = ["--data", "synthetic:?size=96x64", "--calib-frames", "2", "--score-frames", "1"]


def network(sides: tuple[Any, ...] = ("batch", 3, "h", "w"), opset: int = 17) -> onnx.ModelProto:
    """A small network as other tools write them: floats in planes, logits at full size."""
    values = np.random.default_rng(0)

    def weights(name: str, *shape: int) -> TensorProto:
        scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        return numpy_helper.from_array(values.normal(0, scale, shape).astype(np.float32), name)

    tensors = [weights("w1", 8, 3, 3, 3), weights("b1", 8), weights("w2", 8, 8, 3, 3)]
    tensors += [weights("b2", 8), weights("w3", 3, 8, 1, 1)]
    tensors.append(numpy_helper.from_array(np.float32([1, 1, 2, 2]), "twice"))
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    twice = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], **pool),
        helper.make_node("Conv", ["c", "w2", "b2"], ["d"], pads=[1, 1, 1, 1]),
        helper.make_node("Resize", ["d", "", "twice"], ["e"], **twice),
        helper.make_node("Add", ["e", "b"], ["f"]),
        helper.make_node("Conv", ["f", "w3"], ["out"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, sides)
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "theirs", [image], [out], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def described(tmp_path: Path) -> Write:
    """Write a description with some values changed; None takes one away."""

    def write(**changes: object) -> Path:
        values = {name: v for name, v in {**DESCRIBED, **changes}.items() if v is not None}
        path = tmp_path / "theirs.json"
        path.write_text(json.dumps(values))
        return path

    return write


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.onnx"
    onnx.save(network(), path)
    return path


def logits(pixels: np.ndarray, model: onnx.ModelProto) -> np.ndarray:
    """What the network itself gives for RGB pixels, normalised as its maker would."""
    planes = (pixels[..., ::-1] - np.array(DESCRIBED["mean"])) / np.array(DESCRIBED["scale"])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    image = np.ascontiguousarray(planes.transpose(2, 0, 1)[None], np.float32)
    return np.asarray(session.run(None, {"image": image})[0][0])


@pytest.mark.parametrize("sides", [("batch", 3, "h", "w"), (1, 3, 64, 96)])
def test_pixels_in_and_the_same_logits_out(
    described: Write, tmp_path: Path, sides: tuple[Any, ...]
) -> None:
    path, out = tmp_path / "theirs.onnx", tmp_path / "out"
    onnx.save(network(sides), path)
    words = [str(path), "--spec", str(described()), "--int8", "--max-disagreement", "100"]
    assert main([*words, *FRAMES, "--out", str(out)]) == 0
    spec = read_artifact(out / "theirs.onnx")[1]
    assert (spec.name, spec.width, spec.height, spec.stride) == ("theirs", 96, 64, 1)
    assert spec.class_names == ("road", "grass", "sky")
    assert spec.classes[0].drivable
    engine = open_engine(out / "theirs.onnx", "onnxruntime")
    engine.input[:] = np.random.default_rng(1).integers(0, 256, engine.input.shape)
    expected = logits(engine.input, network())
    assert snr_db(expected, engine.infer()) > 80
    small = open_engine(out / "theirs-int8.onnx", "onnxruntime")
    small.input[:] = engine.input
    assert snr_db(expected, small.infer()) > 20


def test_it_goes_on_to_other_runtimes_and_a_mask(
    theirs: Path, described: Write, tmp_path: Path
) -> None:
    for package in ("ncnn", "torch", "openvino"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    out = tmp_path / "out"
    words = [str(theirs), "--spec", str(described()), "--to", "openvino,ncnn,torchscript"]
    assert main([*words, *FRAMES, "--head", "mask", "--out", str(out)]) == 0
    masks = ["theirs.xml", "theirs.ncnn.param", "theirs.torchscript"]
    for name in masks:
        words = [str(out / name), "synthetic:?size=50x40&frames=1"]  # frames of another size
        assert seg_run([*words, "--masks", str(tmp_path / "masks")]) == 0


def test_a_graph_of_one_size_is_not_run_at_another(
    described: Write, tmp_path: Path, capsys: Told
) -> None:
    path, out = tmp_path / "theirs.onnx", tmp_path / "out"
    onnx.save(network((1, 3, 64, 96)), path)
    assert main([str(path), "--spec", str(described()), *FRAMES, "--out", str(out)]) == 0
    with pytest.raises(ModelError, match=r"theirs\.onnx takes 96x64 alone, not 128x64"):
        open_engine(out / "theirs.onnx", size=Size(128, 64))
    words = [str(path), "--spec", str(described(width=128)), "--out", str(out)]
    assert main(words) == 2
    assert "takes 96x64 alone, --spec has 128x64" in capsys.readouterr().err


def no_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def bytes_in(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def class_ids_out(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("ArgMax", ["out"], ["ids"], axis=1, keepdims=0))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("ids", TensorProto.INT64, None))


def flat(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("GlobalAveragePool", ["out"], ["one"]))
    model.graph.output[0].name = "one"


def spread(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Flatten", ["out"], ["row"]))
    model.graph.output[0].name = "row"


def odd_operator(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "NoSuchOperator"


def old(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 11


def quantised(model: onnx.ModelProto) -> None:
    scale, zero = (np.float32(0.02), "step"), (np.int8(0), "zero")
    model.graph.initializer.extend(numpy_helper.from_array(*pair) for pair in (scale, zero))
    model.graph.node.insert(0, helper.make_node("QuantizeLinear", ["image", *STEP], ["q"]))
    model.graph.node.insert(1, helper.make_node("DequantizeLinear", ["q", *STEP], ["dq"]))
    model.graph.node[2].input[0] = "dq"


STEP = ["step", "zero"]


def nothing(model: onnx.ModelProto) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "values", "message"),
    [
        (no_input, {}, "has 2 inputs, an artefact has one"),
        (bytes_in, {}, "its input 'image' is FLOAT16 (batch, 3, h, w): float32 (1, 3, height"),
        (class_ids_out, {}, "its output 'ids' is INT64: float32 logits (1, classes, rows"),
        (flat, {}, "logits of (1, 1) are no whole stride of 96x64"),
        (spread, {}, "gives float32 of shape (1, 18432): logits (1, classes, rows"),
        (odd_operator, {}, "does not run at 96x64"),
        (old, {}, "opset 11, 13 or later is needed"),
        (nothing, {"classes": CLASSES[:2]}, "and --spec has 2 classes"),
        (nothing, {"width": None, "height": None}, "put the usual width and height into --spec"),
        (nothing, {"width": 97}, "does not run at 97x64"),
        (quantised, {}, "is quantised already: export starts from its float32 form"),
        (nothing, {"multiple": 0}, "multiple is 0, not a whole number of 1 or more"),
        (nothing, {"multiple": "32"}, "multiple is '32', not a whole number"),
        (nothing, {"multiple": -32}, "multiple is -32, not a whole number"),
        (nothing, {"width": "96"}, "width is '96', not a whole number of 0 or more"),
        (nothing, {"name": 5}, "name is 5, not a str"),
        (nothing, {"name": "a/b"}, "the name 'a/b' cannot begin a file's name"),
        (nothing, {"trained_on": "roads"}, "trained_on is 'roads', not a dict"),
        (nothing, {"classes": [{**CLASSES[0], "drivable": "no"}]}, "drivable is 'no', not true"),
        (nothing, {"mean": None}, "theirs.json: 'mean' is missing"),
        (nothing, {"classes": None}, "theirs.json: 'classes' is missing"),
        (nothing, {"scale": 0}, "scale must be more than 0"),
        (nothing, {"scale": [1, 2]}, "does not describe a network"),
        (nothing, {"mean": "grey"}, "does not describe a network"),
        (nothing, {"color_order": "YUV"}, "color_order is 'YUV', not RGB or BGR"),
        (nothing, {"colour": 1}, "unknown 'colour', known are classes, color_order"),
        (nothing, {"classes": [{"name": "Road", "color": [0, 0, 0]}]}, "class name 'Road'"),
    ],
)
def test_what_cannot_be_made_an_artefact(
    described: Write,
    tmp_path: Path,
    capsys: Told,
    change: Callable[[onnx.ModelProto], None],
    values: dict[str, object],
    message: str,
) -> None:
    model, path, out = network(), tmp_path / "theirs.onnx", tmp_path / "out"
    change(model)
    path.write_bytes(model.SerializeToString())
    assert main([str(path), "--spec", str(described(**values)), "--out", str(out)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(("old", "new"), [("image", "pixels"), ("f", "logits"), ("f", "mask")])
def test_their_tensors_may_have_our_names(
    described: Write, tmp_path: Path, old: str, new: str
) -> None:
    model, path, out = network(), tmp_path / "theirs.onnx", tmp_path / "out"
    for node in model.graph.node:
        for values in (node.input, node.output):
            values[:] = [new if name == old else name for name in values]
    model.graph.input[0].name = model.graph.input[0].name.replace(old, new)
    onnx.save(model, path)
    words = [str(path), "--spec", str(described()), *FRAMES, "--head", "mask"]
    assert main([*words, "--out", str(out)]) == 0
    engine = open_engine(out / "theirs.onnx", "onnxruntime")
    engine.input[:] = np.random.default_rng(1).integers(0, 256, engine.input.shape)
    assert snr_db(logits(engine.input, network()), engine.infer()) > 80


def too_large_for_half(model: onnx.ModelProto) -> None:
    """Weights that are infinite in float16."""
    weights = model.graph.initializer[0]
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * 1e6, "w1"))


@pytest.mark.parametrize("option", ["--fp16", "--half-weights"])
def test_logits_that_are_no_numbers_are_not_delivered(
    described: Write, tmp_path: Path, capsys: Told, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roadseg.export.half_weights.SMALL", 1)
    monkeypatch.setattr("roadseg.export.steps.check_overflow", lambda ranges: None)
    model, path, out = network(), tmp_path / "theirs.onnx", tmp_path / "out"
    too_large_for_half(model)
    onnx.save(model, path)
    words = [str(path), "--spec", str(described()), *FRAMES, option, "--out", str(out)]
    assert main(words) == 1
    err = capsys.readouterr().err
    assert "nan dB signal to noise" in err
    assert len(err.splitlines()) == 1
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("description", "words"), [("other.json", []), ("theirs.json", ["--name", "theirs"])]
)
def test_what_it_starts_from_is_not_written_over(
    described: Write, theirs: Path, tmp_path: Path, capsys: Told, description: str, words: list[str]
) -> None:
    spec, out = described().rename(tmp_path / description), tmp_path
    if words:
        out = tmp_path / "out"
        out.mkdir()
        spec = spec.rename(out / description)
    before = theirs.read_bytes(), spec.read_bytes()
    words = [*words, "--to", "openvino", *FRAMES, "--out", str(out)]
    assert main([str(theirs), "--spec", str(spec), *words]) == 2
    assert "is what the export starts from: give another folder" in capsys.readouterr().err
    assert (theirs.read_bytes(), spec.read_bytes()) == before


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
def test_what_cannot_be_int8(
    described: Write,
    tmp_path: Path,
    capsys: Told,
    change: Callable[[onnx.ModelProto], None],
    option: str,
    message: str,
) -> None:
    model, path, out = network(), tmp_path / "theirs.onnx", tmp_path / "out"
    change(model)
    onnx.save(model, path)
    words = [str(path), "--spec", str(described()), *FRAMES, "--int8", option, "--out", str(out)]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
    assert not out.exists() or list(out.iterdir()) == []


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
    described: Write,
    tmp_path: Path,
    capsys: Told,
    target: str,
    change: Callable[[onnx.ModelProto], None],
) -> None:
    for package in ("ncnn", "torch", "coremltools"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    model, path, out = network(), tmp_path / "theirs.onnx", tmp_path / "out"
    change(model)
    onnx.save(model, path)
    words = [str(path), "--spec", str(described()), *FRAMES, "--to", target, "--out", str(out)]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "Resize of mode" in err or "MaxPool with dilations, auto_pad" in err
    assert len(err.splitlines()) == 1
    assert list(out.iterdir()) == []


def test_without_a_description_the_message_says_how(theirs: Path, capsys: Told) -> None:
    assert main([str(theirs)]) == 2
    err = capsys.readouterr().err
    assert "has no ModelSpec: is it of another tool?" in err
    assert "--spec FILE.json" in err
    assert main([str(theirs), "--spec", str(theirs.parent / "none.json")]) == 2
    assert "none.json: No such file" in capsys.readouterr().err


@pytest.fixture
def external(tmp_path: Path) -> Path:
    """The network with its weights in a file beside it."""
    path = tmp_path / "theirs.onnx"
    options = {"save_as_external_data": True, "location": "theirs.data", "size_threshold": 0}
    onnx.save(network(), path, **options)
    return path


def test_weights_beside_the_graph_become_part_of_it(
    external: Path, described: Write, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = [str(external), "--spec", str(described()), *FRAMES, "--out", str(out)]
    assert main(words) == 0
    (tmp_path / "theirs.data").unlink()
    engine = open_engine(out / "theirs.onnx", "onnxruntime")
    engine.input[:] = 77
    assert snr_db(logits(engine.input, network()), engine.infer()) > 80


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("../secret", "in '../secret', which is not in its folder: such a file is not read"),
        ("/etc/hostname", "in '/etc/hostname', which is not in its folder"),
        ("link", "in 'link', which is not in its folder"),
        ("none", "in 'none', which is not there"),
        ("short", "cannot be read from 'short': is it cut short?"),
    ],
)
def test_weights_that_are_not_read(
    external: Path, described: Write, tmp_path: Path, capsys: Told, location: str, message: str
) -> None:
    model, out = onnx.load(external, load_external_data=False), tmp_path / "out"
    (tmp_path.parent / "secret").write_bytes(bytes(10000))
    (tmp_path / "link").symlink_to(tmp_path.parent / "secret")
    (tmp_path / "short").write_bytes((tmp_path / "theirs.data").read_bytes()[:100])
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
    external.write_bytes(model.SerializeToString())
    assert main([str(external), "--spec", str(described()), "--out", str(out)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
    assert not out.exists()
