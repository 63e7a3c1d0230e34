"""Configuration: one thing to measure, a model on an engine at a size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadseg.benchmarks.frames import FORMATS
from roadseg.runtime.classical import is_classical
from roadseg.runtime.errors import UsageError, unknown
from roadseg.runtime.files import sha256
from roadseg.runtime.options import Size

if TYPE_CHECKING:
    from roadseg.runtime.engines.base import Engine


@dataclass(frozen=True)
class Configuration:
    """What one worker opens and runs.

    model: what it is called in rows: the shipped network's name or the file's stem.
    path: of the artefact.
    engine: as asked for, such as "auto".
    size: of the network's input; None for the artefact's own.
    frame_size: of the frames; None for the same as the network's input.
    pixel_format: of the frames, "BGR", "NV12" or "YUYV".
    threads: of the engine; 0 leaves it to the engine.
    tta: test-time augmentation, "flip" and scales such as "0.75"; see AugmentedEngine.
    """

    model: str
    path: str
    engine: str = "auto"
    size: Size | None = None
    frame_size: Size | None = None
    pixel_format: str = FORMATS[0]
    threads: int = 0
    tta: tuple[str, ...] = ()

    def open_engine(self) -> Engine:
        """Open what is asked for; the caller closes it."""
        from roadseg.benchmarks.evaluation.augmented_engine import AugmentedEngine
        from roadseg.runtime.engines import open_engine

        def open_at(size: Size | None) -> Engine:
            return open_engine(self.path, self.engine, size=size or self.size, threads=self.threads)

        return AugmentedEngine(open_at, self.tta) if self.tta else open_at(None)

    @property
    def sha256(self) -> str:
        """Of the artefact; "" for a classical baseline, which has no file."""
        return "" if is_classical(self.path) else sha256(self.path)

    def how_augmented(self, passes: int) -> dict[str, Any]:
        """Return what a row says of test-time augmentation, and of its cost in passes a frame."""
        return {"tta": list(self.tta), "tta_passes": passes} if self.tta else {}

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        sizes = {"size": _text(self.size), "frame_size": _text(self.frame_size)}
        return {**self.__dict__, **sizes}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Configuration:
        """Read what to_dict returned."""
        sizes = {
            name: Size.parse(values[name]) if values[name] else None
            for name in ("size", "frame_size")
        }
        return cls(**{**values, **sizes, "tta": tuple(values.get("tta", ()))})


def combine(
    models: Sequence[str], engines: Sequence[str], sizes: Sequence[Size], **shared: Any
) -> list[Configuration]:
    """Return every model on every engine at every size, without repeats, models first.

    Raises UsageError for a model that is neither a file nor shipped, and for NV12 or YUYV
    frames with an odd side.
    """
    from roadseg.runtime.shipped import resolve_model

    shared["pixel_format"] = shared["pixel_format"].upper()
    if shared["pixel_format"] not in FORMATS:
        raise unknown("pixel format", shared["pixel_format"], FORMATS)
    paths = {model: str(resolve_model(model)) for model in models}
    names = _names(models)
    found = [
        Configuration(names[model], path, engine, size, **shared)
        for model, path in paths.items()
        for engine in engines
        for size in sizes or (None,)
    ]
    for one in found:
        _check_frame(one)
    return list(dict.fromkeys(found))


def _names(models: Sequence[str]) -> dict[str, str]:
    """Call a file by its stem, unless another has the same."""
    stems = {model: Path(model).stem if Path(model).suffix else model for model in models}
    repeated = {stem for stem in stems.values() if list(stems.values()).count(stem) > 1}
    return {model: model if stem in repeated else stem for model, stem in stems.items()}


def _check_frame(one: Configuration) -> None:
    size = one.frame_size or one.size
    if size and (size.width < 16 or size.height < 16):
        raise UsageError(f"a frame of {size} is too small to measure with: 16x16 or more")
    if size and one.pixel_format != "BGR" and (size.width % 2 or size.height % 2):
        raise UsageError(f"{one.pixel_format} frames have even sides, not {size}: use --format BGR")


def _text(size: Size | None) -> str | None:
    return str(size) if size else None
