"""The plots of how a model is right and wrong: confusion matrices, precision over recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from roadseg.benchmarks.results import Result
from roadseg.runtime import svg
from roadseg.runtime.svg import WIDTH, Axis

LEFT = 96  # of the names beside a matrix
RIGHT = WIDTH - 14
NAME = 13  # characters of a class's name that are shown
CURVES = 8  # in a panel; a palette has no more colours
PANEL = 210


def confusion_matrices(found: Sequence[Result]) -> str:
    """Return a confusion matrix per result, rows (the true class) in percent of their pixels."""
    body, top = [], 0.0
    for one in found:
        if one.accuracy and one.accuracy.confusion:
            part, height = _matrix(one, one.accuracy.confusion)
            body.append(f'<g transform="translate(0 {top:.1f})">{part}</g>')
            top += height
    return svg.plot(top, body, "Confusion matrices")


def _matrix(one: Result, confusion: dict[str, Any]) -> tuple[str, float]:
    names, counts = confusion["classes"], confusion["counts"]
    size = min((RIGHT - LEFT) / len(names), 44)
    top = 30 + 6.3 * min(NAME, max(map(len, names)))
    parts = [svg.text(14, 14, one.label, "label")]
    for row, (name, line) in enumerate(zip(names, counts, strict=True)):
        y, x = top + row * size, LEFT + (row + 0.5) * size
        parts.append(svg.text(LEFT - 6, y + size / 2 + 4, name[:NAME], "tick", "end"))
        words = svg.text(0, 0, name[:NAME], "tick")
        parts.append(f'<g transform="translate({x + 4:.1f} {top - 5:.1f}) rotate(-90)">{words}</g>')
        parts += [_cell(names, row, column, line, size, y) for column in range(len(names))]
    return "".join(parts), top + size * len(names) + 18


def _cell(
    names: Sequence[str], row: int, column: int, line: Sequence[int], size: float, y: float
) -> str:
    total = sum(line)
    share = line[column] / total if total else 0.0
    x, color = LEFT + column * size, "c2" if row == column else "c6"
    title = f"{names[row]}, called {names[column]}: {share * 100:.2f} % of {total} pixels"
    shade = f'<g opacity="{0.06 + 0.74 * share:.2f}">'
    box = svg.rect(x, y, size - 1, size - 1, color, title, 2)
    words = f"{share * 100:.0f}" if share >= 0.005 else ""
    value = svg.text(x + size / 2 - 0.5, y + size / 2 + 3, words, "cell", "middle")
    return f"{shade}{box}</g>{value if words else ''}"


def precision_recall(found: Sequence[Result]) -> str:
    """Return a panel per result: precision over recall of the classes with the least area."""
    body, top = [], 0.0
    for one in found:
        if one.accuracy and one.accuracy.curves:
            panel, height = _panel(one, one.accuracy.curves)
            body.append(f'<g transform="translate(0 {top:.1f})">{panel}</g>')
            top += height
    return svg.plot(top, body, "Precision over recall")


def _panel(one: Result, curves: dict[str, Any]) -> tuple[str, float]:
    names = sorted(curves, key=lambda name: _area(one, name))[:CURVES]
    columns = 2
    top = 30 + 16 * -(-len(names) // columns)
    base = top + PANEL
    x, y = Axis(0, 100, 46, RIGHT), Axis(0, 100, base, top)
    parts = [svg.text(14, 14, one.label, "label"), svg.bottom_axis(x, base, top, "% recall")]
    for tick in y.ticks(5):
        parts.append(svg.line(46, y(tick), RIGHT, y(tick)))
        parts.append(svg.text(40, y(tick) + 4, svg.number(tick), "tick", "end"))
    for place, name in enumerate(names):
        left, line = 14 + place % columns * (WIDTH / columns), 22 + place // columns * 16
        parts.append(svg.rect(left, line, 10, 10, f"c{place}", radius=2))
        words = f"{name[:18]}, area {_area(one, name) * 100:.1f}"
        parts.append(svg.text(left + 15, line + 9, words, "tick"))
        points = [(x(recall * 100), y(precision * 100)) for recall, precision in curves[name]]
        parts.append(svg.path(points, f"stroke{place}"))
    return "".join(parts), base + 34


def _area(one: Result, name: str) -> float:
    scores = one.accuracy.class_scores.get(name, {}) if one.accuracy else {}
    return scores.get("average_precision", 0.0)
