"""An export from its options; files get their names when all of them are right."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnxruntime
import onnxsim

from roadseg.export.external_data import read_whole
from roadseg.export.foreign_onnx import Description, foreign_to_artifact
from roadseg.export.frames import frames_to_score
from roadseg.export.options import ExportOptions
from roadseg.export.pruning import pruning_saving
from roadseg.export.report import Artifact
from roadseg.export.steps import make_float, make_fp16, make_int8, make_mask, make_target
from roadseg.export.summary import summarize
from roadseg.export.targets import Target, configured
from roadseg.export.to_onnx import OPSET, checkpoint_to_onnx
from roadseg.export.work import Work
from roadseg.runtime.artifact import read_spec
from roadseg.runtime.errors import ModelError, UsageError
from roadseg.runtime.files import check_folder, sha256
from roadseg.runtime.options import Size
from roadseg.runtime.shipped import resolve_model
from roadseg.runtime.spec import METADATA_KEY, ModelSpec


def export(options: ExportOptions) -> list[Artifact]:
    """Make the artefacts; returns them as they lie in the folder that was asked for."""
    check_folder(options.out)
    is_checkpoint = Path(options.model).suffix == ".pt"
    path = Path(options.model) if is_checkpoint else resolve_model(options.model)
    model, spec = checkpoint_to_onnx(path) if is_checkpoint else _read_onnx(path, options.spec)
    spec = float_spec(options, spec, path)
    _check_inputs_stay(options, spec.name, path)
    _check_repairs(options, model)
    print(f"{spec.name} from {path}, at {spec.width}x{spec.height}", flush=True)
    targets = {name: configured(name, options, spec) for name in options.to}
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out, prefix=".export-") as folder:
        work = Work(options, spec, Path(folder), frames_to_score(options, spec))
        make_float(work, model, "traced" if is_checkpoint else "read")
        _make_others(work, targets)
        summarize(work)
        if is_checkpoint and spec.network.get("pruned"):
            print(pruning_saving(work))
        return work.deliver()


def _read_onnx(path: Path, description: Path | None) -> tuple[onnx.ModelProto, ModelSpec]:
    """Return an artefact, or what another tool's network is made to."""
    if description:
        return foreign_to_artifact(path, Description.read(description))
    model = read_whole(path)
    if not any(entry.key == METADATA_KEY for entry in model.metadata_props):
        raise ModelError(
            f"{path} has no ModelSpec: is it of another tool? Describe its classes, mean and scale "
            "with --spec FILE.json (docs/foreign-onnx.md)"
        )
    return model, read_spec(model, path)


def _check_inputs_stay(options: ExportOptions, name: str, path: Path) -> None:
    """Raise UsageError when another tool's network or its description would be written over."""
    if not options.spec:
        return
    inputs = path.resolve(), options.spec.resolve()
    for kind in ("", "-fp16", "-int8"):
        for suffix in (".onnx", "-mask.onnx", ".json", ".ncnn.json"):
            made = options.out / f"{name}{kind}{suffix}"
            if made.resolve() in inputs:
                raise UsageError(
                    f"{made} is what the export starts from: give another folder with --out, or "
                    "another name with --name"
                )


def _check_repairs(options: ExportOptions, model: onnx.ModelProto) -> None:
    """Raise ModelError when channels cannot be measured: that takes opset 18's reductions."""
    opset = next(each.version for each in model.opset_import if not each.domain)
    wanted = options.int8 and (options.bias_correction or options.equalize)
    if wanted and opset < OPSET:
        raise ModelError(
            f"{options.model}: --bias-correction and --equalize need opset {OPSET}, it has "
            f"{opset}: export it again with that, or use onnx.version_converter"
        )


def _make_others(work: Work, targets: Mapping[str, Target]) -> None:
    options = work.options
    if options.fp16:
        make_fp16(work)
    if options.int8:
        make_int8(work)
    for name in options.to:
        make_target(work, targets[name])
    if options.head == "mask":
        make_mask(work)


def float_spec(options: ExportOptions, spec: ModelSpec, path: Path) -> ModelSpec:
    """Return the float artefact's spec, with the metrics of a network that stays as it is.

    Raises ModelError for what cannot be exported, UsageError for a name that no file can have.
    """
    if spec.precision != "float32" or spec.output != "logits":
        raise ModelError(
            f"{path} is {spec.precision} and ends in {spec.output}: export starts from a "
            "checkpoint or a float32 artefact with logits"
        )
    name = options.name or spec.name
    if not name or name.startswith(".") or "/" in name:
        raise UsageError(f"the name '{name}' cannot begin a file's name: give another with --name")
    size = options.size or Size(spec.width, spec.height)
    spec.check_size(size.width, size.height)
    same = size == Size(spec.width, spec.height) and not options.half_weights
    versions = {
        **spec.versions,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "onnxsim": onnxsim.__version__,
    }
    return spec.replace(
        name=name,
        width=size.width,
        height=size.height,
        metrics=spec.metrics if same else {},
        versions=versions,
        source_sha256=sha256(path),
    )
