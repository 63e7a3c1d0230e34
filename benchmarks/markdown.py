"""The Markdown report, for a pull request or a job's summary."""

from __future__ import annotations

from collections.abc import Sequence

from roadseg.benchmarks.class_table import class_table, worst_table
from roadseg.benchmarks.gates import Gate
from roadseg.benchmarks.results import Result, results, verdict
from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.table import WORDS, one_line_headers


def markdown_report(rows: Sequence[Row], gates: Sequence[Gate] = ()) -> str:
    """Return the report as Markdown: verdict, gates, results, classes, machine."""
    found = results(rows)
    headers, cells = one_line_headers(found)
    parts = ["# roadseg benchmark", "\n".join(f"- {line}" for line in verdict(found))]
    if gates:
        missed = [f"- missed: {gate}" for gate in gates if not gate.passed]
        passed = len(gates) - len(missed)
        parts.append("\n".join(["## Gates", "", f"{passed} of {len(gates)} passed.", "", *missed]))
    parts += ["## Results", _table(headers, cells, WORDS), *_classes(found), _provenance(rows)]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def _table(headers: Sequence[str], cells: Sequence[Sequence[str]], words: int) -> str:
    rules = ["---" if number < words else "---:" for number in range(len(headers))]
    return "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in [headers, rules, *cells])


def _cell(word: str) -> str:
    return word.replace("|", "\\|")


def _classes(found: Sequence[Result]) -> list[str]:
    scored = [one for one in found if one.accuracy and one.accuracy.iou]
    if not scored:
        return []
    names = dict.fromkeys(name for one in scored for name in one.accuracy.iou)  # type: ignore[union-attr]
    cells = [[name, *(_percent(one, name) for one in scored)] for name in names]
    headers = ["IoU (%)", *(one.label for one in scored)]
    return ["## Classes", _table(headers, cells, 1), *_scores(found)]


def _scores(found: Sequence[Result]) -> list[str]:
    """Return a table of each result's classes, then one of the worst frames."""
    tables = [(f"### {one.label}", *class_table(one), 1) for one in found]
    tables.append(("## Worst frames", *worst_table(found), 3))
    parts = []
    for title, headers, cells, words in tables:
        if cells:
            names = [f"{name} ({unit})" if unit else name for name, unit in headers]
            parts += [title, _table(names, cells, words)]
    return parts


def _percent(one: Result, name: str) -> str:
    value = one.accuracy.iou.get(name) if one.accuracy else None
    return "" if value is None else f"{value * 100:.1f}"


def _provenance(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        machine = ", ".join(
            f"{name} {' '.join(value) if isinstance(value, list) else value}"
            for name, value in row.machine.items()
        )
        versions = ", ".join(f"{name} {value}" for name, value in row.versions.items())
        command = row.options.get("command")
        lines += [machine, versions, f"`{command}`" if command else ""]
    return "## Measured on\n\n" + "\n".join(f"- {line}" for line in dict.fromkeys(lines) if line)
