"""Reading an ONNX artefact: the graph and the ModelSpec that it carries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import METADATA_KEY, ModelSpec, missing_spec

if TYPE_CHECKING:
    import onnx

LEAST_OPSET = 13  # the first with scales by channel
PLAN_SUFFIXES = (".plan", ".engine")  # of TensorRT


def read_graph(path: str | Path) -> onnx.ModelProto:
    """Read an ONNX file that is whole in itself; raises ModelError for any other."""
    model = parse_graph(path)
    _check_whole(model, path)
    check_opset(model, path)
    return model


def parse_graph(path: str | Path) -> onnx.ModelProto:
    """Read an ONNX file; raises ModelError when it is missing, empty, cut short or no ONNX."""
    import onnx
    from google.protobuf.message import DecodeError

    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise ModelError(f"{path}: not an .onnx file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    if not content:
        raise ModelError(f"{path}: the file is empty")
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        raise ModelError(f"{path}: not an ONNX file, or cut short") from None
    if not model.graph.node or not model.opset_import:
        raise ModelError(f"{path}: not an ONNX file, or without a graph")
    return model


def _check_whole(model: onnx.ModelProto, path: str | Path) -> None:
    """Raise ModelError for weights in other files, which may lie anywhere."""
    import onnx

    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ModelError(
                f"{path}: keeps '{tensor.name}' in another file: save it as one file first "
                "(onnx.save(onnx.load(FILE), OUT))"
            )


def check_opset(model: onnx.ModelProto, path: str | Path) -> None:
    """Raise ModelError for an opset that is too old."""
    opset = max((each.version for each in model.opset_import if not each.domain), default=0)
    if opset < LEAST_OPSET:
        raise ModelError(
            f"{path}: opset {opset}, {LEAST_OPSET} or later is needed: export it again, or use "
            "onnx.version_converter"
        )


def fixed_size(model: onnx.ModelProto) -> Size | None:
    """Return the only input size that a graph takes, None when its sizes are symbolic."""
    sides = model.graph.input[0].type.tensor_type.shape.dim
    height, width = (side.dim_value for side in sides[1:3])
    return Size(width, height) if height and width else None


def read_spec(model: onnx.ModelProto, where: str | Path) -> ModelSpec:
    """Return a graph's ModelSpec; raises ModelError when there is none that can be used."""
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            return ModelSpec.from_json(entry.value, str(where))
    raise missing_spec(where)


def spec_beside(path: Path) -> Path:
    """Return where the ModelSpec of an artefact that cannot hold it lies: NAME.json.

    Beside a TensorRT plan it is NAME.plan.json, as that JSON belongs to this plan alone.
    """
    is_plan = path.suffix.lower() in PLAN_SUFFIXES
    return path.with_name(f"{path.name}.json") if is_plan else path.with_suffix(".json")


def read_spec_beside(path: Path) -> ModelSpec:
    """Read NAME.json beside an artefact; raises ModelError when it is missing or damaged."""
    beside = spec_beside(path)
    try:
        return ModelSpec.from_json(beside.read_text(), str(beside))
    except FileNotFoundError:
        raise ModelError(f"{path}: its ModelSpec {beside.name} is not beside it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{beside}: cannot be read ({error})") from None


def read_artifact(path: str | Path) -> tuple[onnx.ModelProto, ModelSpec]:
    """Read an ONNX file that seg-export made: its graph and ModelSpec.

    Raises ModelError for a file that is not one.
    """
    model = read_graph(path)
    return model, read_spec(model, path)
