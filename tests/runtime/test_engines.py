"""One contract over all engines, and the models that are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from roadseg.export.targets import TARGETS
from roadseg.runtime.engines import ENGINES, open_engine
from roadseg.runtime.engines.kinds import KINDS
from roadseg.runtime.errors import ModelError, UsageError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import METADATA_KEY, ModelSpec
from roadseg.runtime.tensorrt.platform import Platform

RED, GREEN, BLUE = 0, 1, 2


@pytest.fixture(params=ENGINES)
def engine_name(
    request: pytest.FixtureRequest,
    make_platform: Callable[..., Platform],
    machine: Callable[[Platform], Platform],
) -> str:
    name = str(request.param)
    if name == "tensorrt" and not KINDS[name].is_installed:
        machine(make_platform())  # a GPU that is not there
    elif not KINDS[name].is_installed:
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture
def file(model: Path, engine_name: str, tmp_path: Path) -> Path:
    """The tiny model in the form that an engine runs."""
    if ".onnx" in KINDS[engine_name].suffixes:
        return model
    target = next(each for each in TARGETS.values() if each.engine == engine_name)
    path = tmp_path / f"colours{target.suffix}"
    target.convert(model, path)
    return path


def test_the_input_is_filled_in_place_and_the_output_is_one_buffer(
    file: Path, engine_name: str
) -> None:
    engine = open_engine(file, engine_name)
    assert engine.name == engine_name
    assert (engine.width, engine.height) == (64, 32)
    assert engine.input.shape == (32, 64, 3)
    assert engine.input.dtype == np.uint8
    engine.input[:] = (200, 10, 30)
    first = engine.infer()
    assert first.shape == (3, 8, 16)
    assert first.dtype == np.float32
    np.testing.assert_allclose(first[:, 0, 0], [200, 10, 30], atol=1e-3)
    engine.input[:] = (5, 90, 8)
    second = engine.infer()
    assert np.shares_memory(first, second)
    np.testing.assert_allclose(second[:, 7, 15], [5, 90, 8], atol=1e-3)
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match="the engine is closed"):
        engine.infer()


def test_another_size(file: Path, engine_name: str) -> None:
    engine = open_engine(file, engine_name, Size(128, 96), threads=1)
    engine.input[:] = np.arange(96, dtype=np.uint8)[:, None, None]
    logits = engine.infer()
    assert logits.shape == (3, 24, 32)
    np.testing.assert_allclose(logits[0, :, 5], np.arange(24) * 4 + 1.5, atol=1e-3)


def test_auto_takes_the_engine_of_the_file(file: Path, engine_name: str) -> None:
    engine = open_engine(file)
    assert engine.name == engine_name or file.suffix == ".onnx"
    for other in set(ENGINES) - set(able(file)):
        with pytest.raises(UsageError, match=f"alone, not on {other}"):
            open_engine(file, other)


def able(file: Path) -> list[str]:
    return [name for name, kind in KINDS.items() if file.suffix in kind.suffixes]


def test_a_file_of_another_runtime_that_is_damaged(file: Path, engine_name: str) -> None:
    if file.suffix == ".onnx":
        pytest.skip("test_bad_files and test_a_graph_that_no_engine_can_load have it")
    whole = file.read_bytes()
    for content in (b"", whole[: len(whole) // 2]):
        file.write_bytes(content)
        with pytest.raises(ModelError, match=rf"{re.escape(str(file))}.*cannot load it"):
            open_engine(file)
    file.write_bytes(whole)
    if (weights := file.with_suffix(".bin")).is_file():
        for content in (weights.read_bytes()[:100], b""):
            weights.write_bytes(content)
            with pytest.raises(ModelError, match="cannot load it"):
                open_engine(file)
    file.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"its ModelSpec colours(\.ncnn)?\.json is not beside it"):
        open_engine(file)


def test_a_checkpoint_is_to_be_exported_first(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"last\.pt is a checkpoint.*seg-export .*last\.pt"):
        open_engine(path)


def edited(model: Path, folder: Path, **changes: object) -> Path:
    """Copy the model with a changed spec; spec=None takes it away."""
    graph = onnx.load(model)
    spec = ModelSpec.from_json(graph.metadata_props[0].value)
    del graph.metadata_props[:]
    if "spec" not in changes:
        entry = graph.metadata_props.add()
        entry.key, entry.value = METADATA_KEY, spec.replace(**changes).to_json()
    path = folder / "edited.onnx"
    onnx.save(graph, path)
    return path


def test_bad_files(model: Path, tmp_path: Path) -> None:
    whole = model.read_bytes()
    cases = {
        "empty.onnx": (b"", "the file is empty"),
        "cut.onnx": (whole[: len(whole) // 2], "cut short"),
        "text.onnx": (b"not a model at all", "not an ONNX file"),
        "model.bin": (whole, "not an .onnx file"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ModelError, match=rf"{re.escape(str(path))}.*{message}"):
            open_engine(path)


@pytest.mark.parametrize("location", ["weights.bin", "../../etc/passwd"])
def test_weights_in_other_files_are_refused(model: Path, tmp_path: Path, location: str) -> None:
    graph = onnx.load(model)
    tensor = graph.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    path = tmp_path / "external.onnx"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match="keeps 'weights' in another file: save it as one"):
        open_engine(path)


def test_an_old_opset(model: Path, tmp_path: Path) -> None:
    graph = onnx.load(model)
    graph.opset_import[0].version = 11
    path = tmp_path / "old.onnx"
    onnx.save(graph, path)
    with pytest.raises(ModelError, match="opset 11, 13 or later is needed"):
        open_engine(path)


@pytest.mark.parametrize("name", ["width", "multiple", "stride"])
@pytest.mark.parametrize("value", [0, -32, 1.5, "32", None])
def test_sides_that_are_no_whole_numbers(
    model: Path, tmp_path: Path, name: str, value: object
) -> None:
    graph = onnx.load(model)
    entry = graph.metadata_props[0]
    entry.value = json.dumps({**json.loads(entry.value), name: value})
    onnx.save(graph, tmp_path / "odd.onnx")
    with pytest.raises(ModelError, match=rf"has {name} {value!r}: it must be a whole number"):
        open_engine(tmp_path / "odd.onnx")


def test_a_model_without_spec(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no ModelSpec.*seg-export"):
        open_engine(edited(model, tmp_path, spec=None))


def test_a_model_that_ends_in_a_mask_is_for_others(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="ends in a mask"):
        open_engine(edited(model, tmp_path, output="mask"))


def test_a_graph_that_no_engine_can_load(model: Path, tmp_path: Path, engine_name: str) -> None:
    if ".onnx" not in KINDS[engine_name].suffixes:
        pytest.skip(f"{engine_name} runs no ONNX")
    graph = onnx.load(model)
    graph.graph.node[-1].op_type = "NoSuchOperator"
    path = tmp_path / "strange.onnx"
    onnx.save(graph, path)
    with pytest.raises(ModelError, match="cannot load it"):
        open_engine(path, engine_name)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"engine": "tensorflow"},
            UsageError,
            "unknown engine 'tensorflow': known are auto, ncnn, onn",
        ),
        ({"size": Size(66, 32)}, ModelError, "multiples of 4; try 64x32"),
        ({"size": Size(0, 32)}, ModelError, "multiples of 4"),
        ({"threads": -1}, UsageError, "threads is -1"),
    ],
)
def test_bad_options(
    model: Path, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        open_engine(model, **options)  # type: ignore[arg-type]


def test_a_name_that_is_no_model() -> None:
    with pytest.raises(ModelError, match="neither a file nor a shipped network"):
        open_engine("mobilnet")
