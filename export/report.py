"""What seg-export ends with: a row for each artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from roadseg.export.scores import Score
from roadseg.export.timing import Timing
from roadseg.runtime.engines import installed_engines
from roadseg.runtime.spec import ModelSpec


@dataclass(frozen=True)
class Artifact:
    """A file that was made, and what was changed to make it."""

    name: str
    path: Path
    change: str


def cells(
    artifacts: Sequence[Artifact],
    scores: Mapping[str, Score],
    timings: Mapping[tuple[str, str], Timing],
) -> list[list[str]]:
    """Return the artefacts beside each other: a row of headers, then one for each."""
    engines = installed_engines()
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
                f"{found.agreement:.2f} %" if found else "",
                each.change,
            ]
        )
    return rows


def megabytes(path: Path) -> float:
    """Return the size of an artefact's files: NAME.xml and NAME.bin belong together."""
    beside = path.with_suffix(".bin")
    files = [path, *([beside] if path.suffix == ".xml" and beside.is_file() else [])]
    return sum(file.stat().st_size for file in files) / 1e6


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
