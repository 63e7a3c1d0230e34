"""Engines: what runs a network. open_engine("model.onnx") gives one with its buffers made."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from roadseg.runtime.engines.base import Engine
from roadseg.runtime.errors import MissingExtra, ModelError, UsageError, unknown
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

if TYPE_CHECKING:
    import onnx

__all__ = ["ENGINES", "Engine", "installed_engines", "open_engine"]

ENGINES = ("onnxruntime", "openvino")  # also the names of the packages


def installed_engines() -> tuple[str, ...]:
    """Return the engines whose package is here."""
    return tuple(name for name in ENGINES if importlib.util.find_spec(name))


def open_engine(
    model: str | Path, engine: str = "auto", size: Size | None = None, threads: int = 0
) -> Engine:
    """Open an ONNX artefact or a shipped network by name.

    engine: one of ENGINES, or "auto": OpenVINO for INT8 where it is installed and the processor
    has integer dot products (VNNI), else ONNX Runtime.
    size: of the input; None for the artefact's own.
    threads: 0 leaves it to the engine.

    Raises ModelError for a file that is not an artefact or a size that the network cannot take,
    UsageError for an unknown engine, MissingExtra when its package is not installed.
    """
    from roadseg.runtime.artifact import read_artifact
    from roadseg.runtime.shipped import resolve_model

    if engine not in ("auto", *ENGINES):
        raise unknown("engine", engine, ("auto", *ENGINES))
    if threads < 0:
        raise UsageError(f"threads is {threads}: it must be 0 (the engine's choice) or more")
    path = resolve_model(model)
    graph, spec = read_artifact(path)
    if spec.output != "logits":
        raise ModelError(
            f"{path} ends in a {spec.output} and is for other runtimes: give the artefact "
            "without --head"
        )
    size = size or Size(spec.width, spec.height)
    spec.check_size(size.width, size.height)
    name = _choose(spec) if engine == "auto" else engine
    if not importlib.util.find_spec(name):
        raise MissingExtra(name, name, f"engine {name}")
    return _engine_class(name)(graph, spec, size, threads)


def _engine_class(name: str) -> Callable[[onnx.ModelProto, ModelSpec, Size, int], Engine]:
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
