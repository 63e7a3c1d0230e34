"""What seg-export ends with: a row for each artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from roadseg.export.scores import Score
from roadseg.runtime.spec import ModelSpec


@dataclass(frozen=True)
class Timing:
    """Milliseconds of inference: the best and the median."""

    best: float
    median: float


@dataclass(frozen=True)
class Artifact:
    """A file that was made.

    change: what was changed to make it.
    engines: that run it here.
    agreement: percent of pixels as its ONNX artefact, of another runtime's file that was run.
    """

    name: str
    path: Path
    change: str
    engines: tuple[str, ...] = ()
    agreement: float | None = None


def cells(
    artifacts: Sequence[Artifact],
    scores: Mapping[str, Score],
    timings: Mapping[tuple[str, str], Timing],
) -> list[list[str]]:
    """Return the artefacts beside each other: a row of headers, then one for each."""
    engines = list(dict.fromkeys(engine for each in artifacts for engine in each.engines))
    header = ["artefact", "MB", "nodes", *(f"{e} ms" for e in engines), "mIoU", "same pixels"]
    rows = [[*header, "what changed"]]
    for each in artifacts:
        found = scores.get(each.name)
        speeds = [timings.get((each.name, engine)) for engine in engines]
        rows.append(
            [
                each.path.name,
                f"{megabytes(each.path):.1f}",
                str(len(onnx.load(each.path).graph.node)) if each.path.suffix == ".onnx" else "",
                *(f"{speed.best:.1f} ({speed.median:.1f})" if speed else "" for speed in speeds),
                f"{found.miou:.2f}" if found and found.miou is not None else "",
                _percent(found.agreement if found else each.agreement),
                each.change,
            ]
        )
    return rows


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} %"


def megabytes(path: Path) -> float:
    """Return the size of an artefact: of a package all files, .xml and .param with their .bin."""
    files = [path, *path.rglob("*")]
    if path.suffix in (".xml", ".param"):
        files.append(path.with_suffix(".bin"))
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text in columns, the first underlined."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def describe(spec: ModelSpec, path: Path) -> str:
    """Return a ModelSpec for reading."""
    lines = [
        f"{path}  {path.stat().st_size / 1e6:.1f} MB",
        f"name        {spec.name}, {spec.precision}",
        f"input       {spec.width}x{spec.height} {spec.color_order} uint8 {spec.input_layout}, "
        f"multiples of {spec.multiple}; (pixel - {spec.mean:g}) / {spec.scale:g} is folded in",
        f"output      {spec.output}"
        + (f", stride {spec.stride}" if spec.output == "logits" else ""),
        "classes     "
        + ", ".join(
            f"{number} {info.name}{' (drivable)' if info.drivable else ''}"
            for number, info in enumerate(spec.classes)
        ),
    ]
    for title, values in (
        ("network", spec.network),
        ("trained on", spec.trained_on),
        ("metrics", spec.metrics),
        ("quantised", spec.quantization),
        ("versions", spec.versions),
    ):
        if values:
            told = ", ".join(f"{key} {value}" for key, value in values.items())
            lines.append(f"{title:11} {told}")
    if spec.source_sha256:
        lines.append(f"made from   SHA-256 {spec.source_sha256}")
    return "\n".join(lines)
