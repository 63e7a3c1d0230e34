"""Files for other runtimes: the same masks as the ONNX artefact, or nothing."""

from __future__ import annotations

import importlib.util
import re
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from roadseg.export import targets
from roadseg.export.cli import main
from roadseg.export.options import TARGET_NAMES
from roadseg.export.scores import snr_db
from roadseg.export.to_coreml import check_program
from roadseg.runtime.artifact import read_artifact, read_spec_beside
from roadseg.runtime.cli import main as seg_run
from roadseg.runtime.engines import open_engine
from roadseg.runtime.errors import CheckFailed, MissingExtra, ModelError, UsageError
from roadseg.runtime.golden import golden_picture
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

Told = pytest.CaptureFixture[str]
HERE = [name for name in TARGET_NAMES if name != "tensorrt"]  # which needs its GPU
for package in ("openvino", "ncnn", "coremltools", "torch"):
    pytest.importorskip(package, reason=f"{package} is not installed")


@pytest.fixture(scope="module")
def folder(exported: Path, roads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("targets")
    words = [str(exported / "mobileunet.onnx"), "--int8", "--max-drop", "100"]
    (out / "mobileunet.mlpackage" / "Data").mkdir(parents=True)  # an older one is replaced
    (out / "mobileunet.mlpackage" / "Data" / "older").touch()
    to = ["--to", ",".join(HERE), "--data", str(roads), "--out", str(out)]
    assert main([*words, *to]) == 0
    return out


def test_the_files_and_their_spec(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        *("mobileunet-int8.xml", "mobileunet-int8.bin", "mobileunet-int8.json", "export.html"),
        *("mobileunet.onnx", "mobileunet-int8.onnx", "mobileunet.torchscript", "mobileunet.json"),
        *("mobileunet-int8.ncnn.param", "mobileunet-int8.ncnn.bin", "mobileunet-int8.ncnn.json"),
        "mobileunet.mlpackage",
    }
    for name in ("mobileunet-int8.xml", "mobileunet-int8.ncnn.param", "mobileunet.torchscript"):
        spec = read_spec_beside(folder / name)
        source = folder / f"{name.partition('.')[0]}.onnx"
        assert spec == read_artifact(source)[1]


def test_openvinos_file_wishes_for_no_processors_kernels(folder: Path) -> None:
    assert "primitives_priority" not in (folder / "mobileunet-int8.xml").read_text()


def test_each_has_a_row(folder: Path) -> None:
    page = (folder / "export.html").read_text()
    head, *rows = re.findall("<tr>.*?</tr>", page)
    assert re.search(r"openvino ms<.*ncnn ms<.*torchscript ms<", head)
    for name in ("mobileunet-int8.xml", "mobileunet-int8.ncnn.param", "mobileunet.torchscript"):
        row = next(each for each in rows if name in each)
        assert re.search(r">[\d.]+ \([\d.]+\)<.*>\d+\.\d\d %<", row), row
    package = next(each for each in rows if "mobileunet.mlpackage" in each)
    assert "its interface was checked, it was not run" in package


FLOAT = ["mobileunet.ncnn.param", "mobileunet.torchscript"]


@pytest.mark.parametrize("name", FLOAT)
@pytest.mark.parametrize("size", [None, Size(192, 128)])
def test_float_logits_are_those_of_onnx_runtime(
    exported: Path, tmp_path: Path, name: str, size: Size | None
) -> None:
    target = next(each for each in targets.TARGETS.values() if name.endswith(each.suffix))
    target.convert(exported / "mobileunet.onnx", tmp_path / name)
    first = open_engine(exported / "mobileunet.onnx", "onnxruntime", size)
    second = open_engine(tmp_path / name, size=size)
    pixels = np.random.default_rng(0).integers(0, 256, first.input.shape)
    first.input[:] = second.input[:] = pixels
    assert snr_db(first.infer(), second.infer()) > 100


def test_ncnn_has_the_artefacts_integers(folder: Path) -> None:
    """All but depthwise ones are INT8, and its logits are those of the artefact's arithmetic."""
    model, spec = read_artifact(folder / "mobileunet-int8.onnx")
    lines = (folder / "mobileunet-int8.ncnn.param").read_text().splitlines()
    convolutions = [line for line in lines if line.startswith("Convolution")]
    assert len(convolutions) == sum(node.op_type == "Conv" for node in model.graph.node)
    for line in convolutions:
        assert (" 8=1" in line) == (not line.startswith("ConvolutionDepthWise"))
    assert any(" 8=101" in line for line in convolutions)  # int8 to int8, without floats between
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    exact = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    engine = open_engine(folder / "mobileunet-int8.ncnn.param")
    engine.input[:] = cv2.resize(golden_picture(), (spec.width, spec.height))[..., ::-1]
    expected = exact.run(None, {"pixels": engine.input[None]})[0][0]
    assert snr_db(expected, engine.infer()) > 28


def test_torchscript_and_coreml_carry_the_spec_inside(folder: Path) -> None:
    spec = read_artifact(folder / "mobileunet.onnx")[1]
    with zipfile.ZipFile(folder / "mobileunet.torchscript") as file:
        name = next(each for each in file.namelist() if each.endswith("/extra/roadseg.json"))
        assert ModelSpec.from_json(file.read(name).decode()) == spec
    path = folder / "mobileunet.mlpackage"
    assert not (path / "Data" / "older").exists()
    check_program(path, read_artifact(folder / "mobileunet.onnx")[0], spec)
    with pytest.raises(CheckFailed, match=r"coreml: the input is .*, not \('image', 64, "):
        check_program(path, onnx.ModelProto(), spec.replace(width=64))
    with pytest.raises(CheckFailed, match="coreml: the ModelSpec is"):
        check_program(path, onnx.ModelProto(), spec.replace(name="other"))
    with pytest.raises(CheckFailed, match="coreml: the number of convolutions is"):
        check_program(path, onnx.ModelProto(), spec)


@pytest.mark.parametrize("name", HERE)
def test_an_operator_that_a_target_lacks_is_named(model: Path, tmp_path: Path, name: str) -> None:
    target = targets.TARGETS[name]
    graph = onnx.load(model)
    node = graph.graph.node[-1]
    node.output[0] = "inner"
    graph.graph.node.append(helper.make_node("NoSuchOperator", ["inner"], ["logits"], "odd"))
    path = tmp_path / "odd.onnx"
    onnx.save(graph, path)
    with pytest.raises(ModelError, match="NoSuchOperator"):
        target.convert(path, tmp_path / f"out{target.suffix}")


PACKAGES = {"openvino": "openvino", "ncnn": "ncnn", "torchscript": "torch", "coreml": "coremltools"}


@pytest.mark.parametrize(("name", "package"), [*PACKAGES.items(), ("coreml", "torch")])
def test_a_target_without_its_package(
    model: Path,
    tmp_path: Path,
    name: str,
    package: str,
    capsys: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda each, *rest: None if each == package else real(each)
    )
    target = targets.TARGETS[name]
    with pytest.raises(MissingExtra, match=rf"--to {name} needs {package}.*pip install 'roadseg"):
        target.convert(model, tmp_path / f"out{target.suffix}")
    # The command tells it before it looks for frames.
    words = [str(model), "--to", name, "--data", "nowhere", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert f"--to {name} needs {package}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [None, Size(192, 128)])
def test_an_engine_opens_it_at_any_size(folder: Path, size: Size | None) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (128, 192, 3)).astype(np.uint8)
    logits = []
    for name in ("mobileunet-int8.onnx", "mobileunet-int8.xml"):
        engine = open_engine(folder / name, "openvino", size)
        assert engine.name == "openvino"
        engine.input[:] = pixels[: engine.height, : engine.width]
        logits.append(engine.infer().copy())
    assert (logits[0].argmax(0) == logits[1].argmax(0)).mean() > 0.995


@pytest.mark.parametrize(
    "name", ["mobileunet-int8.xml", "mobileunet-int8.ncnn.param", "mobileunet.torchscript"]
)
def test_seg_run_takes_it(folder: Path, images: Path, tmp_path: Path, name: str) -> None:
    model = str(folder / name)
    assert seg_run([model, str(images), "--masks", str(tmp_path / "masks")]) == 0
    assert len(list((tmp_path / "masks").iterdir())) == 2


@pytest.fixture
def images(tmp_path: Path) -> Path:
    import cv2

    (tmp_path / "in").mkdir()
    for number in range(2):
        cv2.imwrite(str(tmp_path / "in" / f"{number}.png"), np.zeros((40, 60, 3), np.uint8))
    return tmp_path / "in"


def test_bad_files_of_openvino(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "mobileunet-int8.xml").read_text()
    path = tmp_path / "net.xml"
    path.write_text(whole)
    with pytest.raises(ModelError, match=r"its ModelSpec net\.json is not beside it"):
        open_engine(path)
    (tmp_path / "net.json").write_text("{")
    with pytest.raises(ModelError, match="its ModelSpec cannot be read"):
        open_engine(path)
    (tmp_path / "net.json").write_bytes((folder / "mobileunet-int8.json").read_bytes())
    with pytest.raises(ModelError, match="OpenVINO cannot load it"):
        open_engine(path)  # the weights are missing
    path.write_text(whole[:500])
    with pytest.raises(ModelError, match="OpenVINO cannot load it"):
        open_engine(path)
    with pytest.raises(UsageError, match="runs on openvino alone, not on onnxruntime"):
        open_engine(folder / "mobileunet-int8.xml", "onnxruntime")


def test_a_target_that_computes_something_else(
    exported: Path, roads: Path, tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(targets.OpenVinoTarget):
        def convert(self, artifact: Path, out: Path) -> str:
            return super().convert(exported / "mobileunet-int8.onnx", out)

    monkeypatch.setitem(targets.LEAST_AGREEMENT, "float32", 100.0)
    monkeypatch.setitem(targets.TARGETS, "openvino", Wrong())
    words = [str(exported / "mobileunet.onnx"), "--to", "openvino", "--data", str(roads)]
    assert main([*words, "--out", str(tmp_path)]) == 1
    assert "of pixels agree with mobileunet.onnx, 100 are needed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_names(capsys: Told) -> None:
    assert set(TARGET_NAMES) == set(targets.TARGETS)
    assert main(["mobileunet", "--to", "tflite"]) == 2
    assert "unknown target 'tflite': known are coreml, ncnn, openvino" in capsys.readouterr().err
