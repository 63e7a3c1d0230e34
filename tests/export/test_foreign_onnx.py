"""ONNX networks of other tools: made artefacts of, or refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from foreign_network import CLASSES, FRAMES, logits, network, nothing
from onnx import TensorProto, helper, numpy_helper

from roadseg.calibration import calibration_frames
from roadseg.export.cli import main
from roadseg.export.scores import snr_db
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.cli import main as seg_run
from roadseg.runtime.engines import open_engine
from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size
from roadseg.runtime.preprocess import preprocess

Told = pytest.CaptureFixture[str]
Write = Callable[..., Path]
Refused = Callable[..., str]


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
    frame = calibration_frames(FRAMES[1], 1, "val", seed=7)[0].frame  # of the kind it knows
    preprocess(frame, small.input)
    assert snr_db(logits(small.input, network()), small.infer()) > 30


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
    refused: Refused,
    tmp_path: Path,
    change: Callable[[onnx.ModelProto], None],
    values: dict[str, object],
    message: str,
) -> None:
    assert message in refused(change, values=values)
    assert not (tmp_path / "out").exists()


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
