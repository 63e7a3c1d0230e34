"""Engines: what runs a network. open_engine("model.onnx") gives one with its buffers made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from roadseg.runtime.classical import is_classical
from roadseg.runtime.engines.base import Engine
from roadseg.runtime.engines.kinds import KINDS, SUFFIXES
from roadseg.runtime.errors import ModelError, UsageError, unknown
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

if TYPE_CHECKING:
    import onnx

__all__ = ["ENGINES", "Engine", "installed_engines", "open_engine"]

ENGINES = tuple(KINDS)


def installed_engines(suffix: str = ".onnx") -> tuple[str, ...]:
    """Return the engines that run files of this suffix and whose package is here."""
    return tuple(
        name for name, kind in KINDS.items() if suffix in kind.suffixes and kind.is_installed
    )


def open_engine(
    model: str | Path, engine: str = "auto", size: Size | None = None, threads: int = 0
) -> Engine:
    """Open an artefact, a shipped network by name, or a classical baseline ("classical:otsu").

    model: an ONNX artefact (.onnx), or another runtime's file with its ModelSpec beside it.
    engine: one of ENGINES, or "auto": for ONNX OpenVINO where the network is INT8, OpenVINO is
    installed and the processor has integer dot products (VNNI), else ONNX Runtime.
    size: of the input; None for the artefact's own.
    threads: 0 leaves it to the engine.

    Raises ModelError for a file that is not an artefact or a size that the network cannot take,
    UsageError for an unknown engine, MissingExtra when its package is not installed.
    """
    from roadseg.runtime.shipped import resolve_model

    if is_classical(model):
        from roadseg.runtime.engines.classical_engine import open_classical

        return open_classical(str(model), engine, size)
    if engine not in ("auto", *ENGINES):
        raise unknown("engine", engine, ("auto", *ENGINES))
    if threads < 0:
        raise UsageError(f"threads is {threads}: it must be 0 (the engine's choice) or more")
    path = resolve_model(model)
    source, spec = _read(path)
    if spec.output != "logits":
        raise ModelError(
            f"{path} ends in a {spec.output} and is for other runtimes: give the artefact "
            "without --head"
        )
    size = size or Size(spec.width, spec.height)
    spec.check_size(size.width, size.height)
    _check_fixed(source, size, path)
    return KINDS[_engine_for(path, spec, engine)].load()(source, spec, size, threads)


def _read(path: Path) -> tuple[onnx.ModelProto | Path, ModelSpec]:
    """Return an ONNX file's graph, or another artefact's path, and the ModelSpec."""
    from roadseg.runtime.artifact import read_artifact, read_spec_beside

    suffix = path.suffix.lower()
    if suffix in SUFFIXES and suffix != ".onnx":
        return path, read_spec_beside(path)
    if suffix == ".pt":
        raise ModelError(f"{path} is a checkpoint, for training: seg-export {path} makes a model")
    return read_artifact(path)


def _check_fixed(source: onnx.ModelProto | Path, size: Size, path: Path) -> None:
    """Raise ModelError when a graph was made for another size alone."""
    from roadseg.runtime.artifact import fixed_size

    fixed = None if isinstance(source, Path) else fixed_size(source)
    if fixed and fixed != size:
        raise ModelError(f"{path} takes {fixed} alone, not {size}")


def _engine_for(path: Path, spec: ModelSpec, wanted: str) -> str:
    """Return the engine's name; raises UsageError when the artefact is another engine's."""
    suffix = path.suffix.lower()
    able = [name for name, kind in KINDS.items() if suffix in kind.suffixes]
    if wanted == "auto":
        return _choose(spec) if suffix == ".onnx" else able[0]
    if wanted not in able:
        raise UsageError(f"{path} runs on {' and '.join(able)} alone, not on {wanted}")
    return wanted


def _choose(spec: ModelSpec) -> str:
    """Return the engine that is faster here, as measured in benchmarks (docs/design.md)."""
    integer = spec.precision == "int8" and _has_vnni()
    return "openvino" if integer and "openvino" in installed_engines() else "onnxruntime"


def _has_vnni() -> bool:
    """Return whether an x86 processor multiplies 8-bit integers in one instruction."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_vnni" in text or "avx_vnni" in text
