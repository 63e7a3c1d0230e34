"""Tables of every class's scores, and of the worst frames."""

from __future__ import annotations

from collections.abc import Sequence

from roadseg.benchmarks.results import Result

Table = tuple[list[tuple[str, str]], list[list[str]]]

MEASURES = (
    ("Dice", "dice"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("PR area", "average_precision"),
    ("boundary IoU", "boundary_iou"),
)


def class_table(one: Result) -> Table:
    """Return headers (name, unit) and a line per class; empty without scores of classes."""
    scores = one.accuracy.class_scores if one.accuracy else {}
    iou = one.accuracy.iou if one.accuracy else {}
    shown = [
        (word, key) for word, key in MEASURES if any(key in table for table in scores.values())
    ]
    if not shown:
        return [], []
    headers = [("class", ""), ("IoU", "%"), *((word, "%") for word, _ in shown)]
    rows = [
        [name, _percent(iou.get(name)), *(_percent(table.get(key)) for _, key in shown)]
        for name, table in scores.items()
    ]
    return headers, rows


def worst_table(found: Sequence[Result]) -> Table:
    """Return headers and a line per worst frame of each result; empty without them."""
    rows = [
        [one.label, str(frame.get("name", "")), str(frame.get("group", "")), _miou(frame)]
        for one in found
        if one.accuracy
        for frame in one.accuracy.worst
    ]
    return ([("model", ""), ("frame", ""), ("drive", ""), ("mIoU", "%")] if rows else []), rows


def _miou(frame: dict[str, object]) -> str:
    value = frame.get("miou")
    return _percent(value if isinstance(value, float) else None)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value * 100:.1f}"
