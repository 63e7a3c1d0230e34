"""What a row must be, so that tables and plots can be made of rows that others wrote."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from roadseg.runtime.errors import UsageError

SCHEMA = 1
KINDS = ("latency", "accuracy", "soak", "pipeline")


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


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _versions(value: Any) -> bool:
    return isinstance(value, dict) and _texts(list(value.values()))


def _machine(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _texts(one) for one in value.values() if isinstance(one, list)
    )


def _options(value: Any) -> bool:
    return (
        isinstance(value, dict) and _number(value.get("rate", 0)) and _texts(value.get("tta", []))
    )


def _parts(value: Any) -> bool:
    return _tables(value) and all(_number(part.get("miou")) for part in value)


def _sensors(value: Any) -> bool:
    figures = ("joules_per_frame", "watts", "max_c")
    return isinstance(value, dict) and all(_number(value.get(name, 0)) for name in figures)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(map(_table, value))


def _numbers_by_class(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_numbers, value.values()))


def _confusion(value: Any) -> bool:
    """Whether it is {} or a square of counts with a name for each side."""
    if not isinstance(value, dict) or not value:
        return value == {}
    names: Any = value.get("classes")
    counts: Any = value.get("counts")
    square = _texts(names) and isinstance(counts, list) and len(names) == len(counts)
    return square and all(_samples(row) and len(row) == len(names) for row in counts)


def _curves(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    lists = all(isinstance(points, list) for points in value.values())
    return lists and all(
        _samples(point) and len(point) == 2 for points in value.values() for point in points
    )


def _soak(value: Any) -> bool:
    if not isinstance(value, dict) or not value:
        return value == {}
    *figures, samples = value.get("slope_mb_per_1000", 0), value.get("rss_mb", [])
    pairs = isinstance(samples, list) and all(_samples(one) and len(one) == 2 for one in samples)
    return bool(samples) and pairs and all(map(_number, [*figures, value.get("allocated_kb", 0)]))


_Check = tuple[Callable[[Any], bool], str]
CHECKS: dict[str, _Check] = {
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
    "parts": (_parts, "tables with an miou"),
    "worst": (_tables, "a list of tables"),
    **dict.fromkeys(("fps", "memory_mb", "miou", "pixel_accuracy"), (_number, "a number")),
    "sensors": (_sensors, "the figures of sensors"),
    "soak": (_soak, "the figures of a soak"),
    "machine": (_machine, "values by name"),
    "versions": (_versions, "texts by name"),
    "options": (_options, "values by name, rate a number and tta a list"),
    "samples_ms": (_samples, "a list of numbers"),
}
# What reports take for granted in a row of a kind, and in a table that is not empty.
_NEEDED = {"latency": "latency_ms", "pipeline": "age_ms", "soak": "soak"}
_COMPLETE = {
    "latency_ms": ("p50",),
    "age_ms": ("p50", "p99"),
    "ledger": ("captured", "unexplained"),
    "cpu": ("outside_share",),
    "soak": ("slope_mb_per_1000", "rss_mb", "allocated_kb"),
}
_REQUIRED = ("kind", "model", "engine", "precision", "width", "height")


def check_schema(schema: Any, where: str) -> None:
    """Raise UsageError for a row of a newer version, or of none."""
    if not _natural(schema):
        raise UsageError(f"{where}: schema {schema!r} is not a whole number")
    if schema > SCHEMA:
        raise UsageError(
            f"{where}: schema {schema} is newer than this roadseg knows ({SCHEMA}): "
            "pip install -U roadseg"
        )


def check_values(values: dict[str, Any], where: str) -> None:
    """Raise UsageError for a field that is missing, or that reports cannot be made with."""
    for name in _REQUIRED:
        if name not in values:
            raise UsageError(f"{where}: the row has no '{name}'")
    for name, value in values.items():
        fits, wanted = CHECKS[name]
        if not fits(value):
            raise UsageError(f"{where}: '{name}' is {str(value)[:40]!r}, not {wanted}")
    needed = _NEEDED.get(values["kind"])
    for table, names in _COMPLETE.items():
        there = values.get(table, {})
        missing = [name for name in names if name not in there]
        if missing and (there or table == needed):
            raise UsageError(f"{where}: a row of kind {values['kind']} has no {table}.{missing[0]}")
