"""Report rows: one JSON line per measurement; every table, plot and verdict is made from them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadseg.benchmarks.row_checks import CHECKS, SCHEMA, check_schema, check_values
from roadseg.runtime.errors import UsageError
from roadseg.runtime.files import write_text

STAGES = ("preprocess", "infer", "decode")  # of every frame; those of --post come after them
Key = tuple[str, str, str, int, int]


@dataclass(frozen=True)
class Row:
    """One measurement. What was not measured is None or empty.

    kind: "latency", "accuracy", "soak" (memory over many frames) or "pipeline" (camera to mask).
    model, engine, precision: what ran, such as "mobileunet", "onnxruntime", "int8".
    width, height: of the network's input in pixels.
    n, warmup: how many frames were counted, and how many before them were not.
    latency_ms: frame in to full-size mask out: p50, p90, p99, min, max.
    stages_ms: the medians of preprocess, infer, decode, and stages after the network.
    age_ms: capture to mask, where there is a camera: p50, p90, p99, p99.9, max.
    fps: frames a second, one after the other: n / (the sum of all latencies); of a camera, masks a
        second of the clock.
    ledger: frames captured, shown, dropped, stale, corrupt, and unexplained (must be 0).
    cpu: seconds: total_s, engine_s, outside_s and its threads'; outside_share of the total.
    memory_mb: peak resident memory of the process that ran this alone, in 2**20 bytes.
    miou, iou, pixel_accuracy: 0 to 1, of one confusion matrix; iou by class name.
    groups: mIoU by group of the data set (a drive).
    class_scores: by class name dice, precision, recall and, with detail, average_precision (the
        area under the precision-recall curve) and boundary_iou; 0 to 1.
    confusion: classes (names) and counts (rows the true class, columns the predicted one).
    curves: points (recall, precision) by class name, from low thresholds to high ones.
    parts: of the data set: by ("group" or "condition"), name, n, miou, pixel_accuracy, iou.
    interval: of the mIoU, from a bootstrap over groups: level, low, high, groups, resamples, seed.
    worst: the frames with the lowest mIoU of their own: name, group, miou.
    soak: rss_mb sampled, slope_mb_per_1000 frames, allocated_kb and frame_kb per frame.
    sensors: joules_per_frame, watts (mean) and max_c of the machine, of which meter, and why it was
        throttled; what the machine tells.
    machine, versions: where and with what it was measured.
    options: how: threads, frame size, rounds, command, SHA-256 of the artefact.
    samples_ms: every counted latency, in the order it was measured.
    """

    kind: str
    model: str
    engine: str
    precision: str
    width: int
    height: int
    n: int = 0
    warmup: int = 0
    latency_ms: dict[str, float] = field(default_factory=dict)
    stages_ms: dict[str, float] = field(default_factory=dict)
    age_ms: dict[str, float] = field(default_factory=dict)
    fps: float | None = None
    memory_mb: float | None = None
    miou: float | None = None
    iou: dict[str, float] = field(default_factory=dict)
    pixel_accuracy: float | None = None
    groups: dict[str, float] = field(default_factory=dict)
    class_scores: dict[str, dict[str, float]] = field(default_factory=dict)
    confusion: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, Any] = field(default_factory=dict)
    parts: list[dict[str, Any]] = field(default_factory=list)
    interval: dict[str, float] = field(default_factory=dict)
    worst: list[dict[str, Any]] = field(default_factory=list)
    soak: dict[str, Any] = field(default_factory=dict)
    sensors: dict[str, Any] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    samples_ms: tuple[float, ...] = ()
    schema: int = SCHEMA

    @property
    def key(self) -> Key:
        """What was measured; rows of one configuration have the same key."""
        return (self.model, self.engine, self.precision, self.width, self.height)

    @property
    def label(self) -> str:
        """The configuration in words: "mobileunet int8 · onnxruntime · 1024x512"."""
        named = self.precision in self.model
        model = self.model if named else f"{self.model} {self.precision}"
        parts = [model, self.engine, f"{self.width}x{self.height}", *self.camera_parts]
        return " · ".join(parts)

    @property
    def camera_parts(self) -> list[str]:
        """How the camera of a pipeline was asked for: "NV12", "30 FPS"."""
        if self.kind != "pipeline":
            return []
        layout, rate = self.options.get("pixel_format"), self.options.get("rate")
        return [*([str(layout)] if layout else []), *([f"{rate:g} FPS"] if rate else [])]

    def to_json(self) -> str:
        """Return the row as one line of JSON, the schema first."""
        return json.dumps({"schema": self.schema, **dataclasses.asdict(self)}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, where: str = "row") -> Row:
        """Read a row; raises UsageError with `where` and what is wrong.

        Names that this version does not know are left out.
        """
        try:
            raw = json.loads(text)
        except ValueError:
            raise UsageError(f"{where}: not JSON; seg-bench --jsonl writes rows") from None
        if not isinstance(raw, dict) or "schema" not in raw or "kind" not in raw:
            raise UsageError(f"{where}: not a row of seg-bench (it has no schema and kind)")
        check_schema(raw["schema"], where)
        values = {name: raw[name] for name in CHECKS if raw.get(name) is not None}
        check_values(values, where)
        if "samples_ms" in values:
            values["samples_ms"] = tuple(values["samples_ms"])
        return cls(**values)


def read_rows(path: str | Path) -> list[Row]:
    """Read a file of rows; raises UsageError naming file and line for what is not one."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file; seg-bench --jsonl writes rows") from None
    rows = [
        Row.from_json(line, f"{path}:{number}")
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    ]
    if not rows:
        raise UsageError(f"{path} has no rows: measure some with seg-bench MODEL --jsonl {path}")
    return rows


def write_rows(path: str | Path, rows: Iterable[Row]) -> None:
    """Write rows, one JSON line each."""
    write_text(path, "".join(row.to_json() + "\n" for row in rows))


def of_kind(rows: Sequence[Row], *kinds: str) -> list[Row]:
    """Return the rows of some kinds, in their order."""
    return [row for row in rows if row.kind in kinds]
