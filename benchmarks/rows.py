"""Report rows: one JSON line per measurement; every table, plot and verdict is made from them."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadseg.runtime.errors import UsageError
from roadseg.runtime.files import write_text

SCHEMA = 1
STAGES = ("preprocess", "infer", "decode")  # of every frame; those of --post come after them
KINDS = ("latency", "accuracy", "soak", "pipeline")

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
        return [str(layout)] * bool(layout) + [f"{rate:g} FPS"] * bool(rate)

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
        _check_schema(raw["schema"], where)
        values = {name: raw[name] for name in _CHECKS if raw.get(name) is not None}
        _check_values(values, where)
        if "samples_ms" in values:
            values["samples_ms"] = tuple(values["samples_ms"])
        return cls(**values)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_number, value.values()))


def _samples(value: Any) -> bool:
    return isinstance(value, list) and all(map(_number, value))


def _table(value: Any) -> bool:
    return isinstance(value, dict)


def _sensors(value: Any) -> bool:
    figures = ("joules_per_frame", "watts", "max_c")
    return isinstance(value, dict) and all(_number(value.get(name, 0)) for name in figures)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(map(_table, value))


def _numbers_by_class(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_numbers, value.values()))


def _confusion(value: Any) -> bool:
    """Whether it is {} or a square of counts with a name for each side."""
    if not isinstance(value, dict):
        return False
    names, counts = value.get("classes", []), value.get("counts", [])
    lists = isinstance(names, list) and isinstance(counts, list) and len(names) == len(counts)
    return lists and all(_samples(row) and len(row) == len(names) for row in counts)


def _curves(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    lists = all(isinstance(points, list) for points in value.values())
    return lists and all(
        _samples(point) and len(point) == 2 for points in value.values() for point in points
    )


def _soak(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    *figures, samples = value.get("slope_mb_per_1000", 0), value.get("rss_mb", [])
    pairs = isinstance(samples, list) and all(_samples(one) and len(one) == 2 for one in samples)
    return pairs and all(map(_number, [*figures, value.get("allocated_kb", 0)]))


_Check = tuple[Callable[[Any], bool], str]
_CHECKS: dict[str, _Check] = {
    "kind": (lambda value: value in KINDS, f"one of {', '.join(KINDS)}"),
    **dict.fromkeys(("model", "engine", "precision"), (_text, "text")),
    **dict.fromkeys(("width", "height", "n", "warmup", "schema"), (_natural, "a whole number")),
    **dict.fromkeys(
        ("latency_ms", "stages_ms", "age_ms", "iou", "groups", "interval", "ledger", "cpu"),
        (_numbers, "numbers by name"),
    ),
    "class_scores": (_numbers_by_class, "numbers by name of each class"),
    "confusion": (_confusion, "classes and a square of counts"),
    "curves": (_curves, "points by class"),
    **dict.fromkeys(("parts", "worst"), (_tables, "a list of tables")),
    **dict.fromkeys(("fps", "memory_mb", "miou", "pixel_accuracy"), (_number, "a number")),
    "sensors": (_sensors, "the figures of sensors"),
    "soak": (_soak, "the figures of a soak"),
    **dict.fromkeys(("machine", "versions", "options"), (_table, "values by name")),
    "samples_ms": (_samples, "a list of numbers"),
}
# What reports take for granted in a row of a kind.
_NEEDED = {
    "latency": ("latency_ms", ("p50",)),
    "pipeline": ("age_ms", ("p50", "p99")),
    "soak": ("soak", ("slope_mb_per_1000", "rss_mb", "allocated_kb")),
}
_REQUIRED = ("kind", "model", "engine", "precision", "width", "height")


def _check_schema(schema: Any, where: str) -> None:
    if not _natural(schema):
        raise UsageError(f"{where}: schema {schema!r} is not a whole number")
    if schema > SCHEMA:
        raise UsageError(
            f"{where}: schema {schema} is newer than this roadseg knows ({SCHEMA}): "
            "pip install -U roadseg"
        )


def _check_values(values: dict[str, Any], where: str) -> None:
    for name in _REQUIRED:
        if name not in values:
            raise UsageError(f"{where}: the row has no '{name}'")
    for name, value in values.items():
        fits, wanted = _CHECKS[name]
        if not fits(value):
            raise UsageError(f"{where}: '{name}' is {str(value)[:40]!r}, not {wanted}")
    table, names = _NEEDED.get(values["kind"], ("", ()))
    for name in names:
        if name not in values.get(table, {}):
            raise UsageError(f"{where}: a row of kind {values['kind']} has no {table}.{name}")


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
