"""Engines: what runs a network. open_engine("model.onnx") gives one with its buffers made."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadseg.runtime.engines.base import Engine
from roadseg.runtime.errors import MissingExtra, ModelError, UsageError, unknown
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

if TYPE_CHECKING:
    import onnx

__all__ = ["ENGINES", "Engine", "installed_engines", "open_engine"]

ENGINES = ("onnxruntime", "openvino")  # also the names of the packages
# What an artefact's suffix says of the engine that runs it; ONNX runs on every one of ENGINES.
ENGINE_OF = {".xml": "openvino"}


def installed_engines() -> tuple[str, ...]:
    """Return the engines whose package is here."""
    return tuple(name for name in ENGINES if importlib.util.find_spec(name))


def open_engine(
    model: str | Path, engine: str = "auto", size: Size | None = None, threads: int = 0
) -> Engine:
    """Open an artefact or a shipped network by name.

    model: an ONNX artefact (.onnx), or OpenVINO IR (.xml) with its ModelSpec beside it.
    engine: one of ENGINES, or "auto": for ONNX OpenVINO where the network is INT8, OpenVINO is
    installed and the processor has integer dot products (VNNI), else ONNX Runtime.
    size: of the input; None for the artefact's own.
    threads: 0 leaves it to the engine.

    Raises ModelError for a file that is not an artefact or a size that the network cannot take,
    UsageError for an unknown engine, MissingExtra when its package is not installed.
    """
    from roadseg.runtime.shipped import resolve_model

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
    name = _engine_for(path, spec, engine)
    if not importlib.util.find_spec(name):
        raise MissingExtra(name, name, f"engine {name}")
    return _engine_class(name)(source, spec, size, threads)


def _read(path: Path) -> tuple[onnx.ModelProto | Path, ModelSpec]:
    """Return an ONNX file's graph, or another artefact's path, and the ModelSpec."""
    from roadseg.runtime.artifact import read_artifact, read_spec_beside

    if path.suffix.lower() in ENGINE_OF:
        return path, read_spec_beside(path)
    return read_artifact(path)


def _engine_for(path: Path, spec: ModelSpec, wanted: str) -> str:
    """Return the engine's name; raises UsageError when the artefact is another engine's."""
    only = ENGINE_OF.get(path.suffix.lower())
    if only and wanted not in ("auto", only):
        raise UsageError(f"{path} runs on {only} alone, not on {wanted}")
    return only or (_choose(spec) if wanted == "auto" else wanted)


def _engine_class(name: str) -> Callable[[Any, ModelSpec, Size, int], Engine]:
    if name == "openvino":
        from roadseg.runtime.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine
    from roadseg.runtime.engines.onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine


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
