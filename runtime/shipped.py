"""The networks in the package, by name."""

from __future__ import annotations

from pathlib import Path

from roadseg.runtime.classical import classical_spec, is_classical
from roadseg.runtime.errors import ModelError

DEFAULT_MODEL = "mobileunet-int8"
FOLDER = Path(__file__).parent / "models"


def shipped_models() -> dict[str, Path]:
    """Return the files of the networks in the package by name, such as "mobileunet-int8"."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.onnx"))}


def resolve_model(model: str | Path) -> Path:
    """Return the file of a shipped network's name, or the path itself when it is a file.

    A classical baseline ("classical:otsu") has no file: its name is returned as it is.
    Raises ModelError for anything else; the message lists the names.
    """
    known = shipped_models()
    if is_classical(model):
        classical_spec(str(model))  # raises for an unknown method
        return Path(model)
    if str(model) in known:
        return known[str(model)]
    path = Path(model)
    if path.is_file():
        return path
    raise ModelError(f"{model}: neither a file nor a shipped network ({', '.join(known)})")
