"""Outputs: which report goes to which file, tried before measuring and written after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadseg.benchmarks.gates import Gate, junit
from roadseg.benchmarks.results import results, verdict
from roadseg.benchmarks.row_checks import SCHEMA
from roadseg.benchmarks.rows import Row, write_rows
from roadseg.runtime.files import check_writable, write_text

STANDARD_NAMES = {
    "jsonl": "rows.jsonl",
    "markdown": "report.md",
    "html": "report.html",
    "json": "summary.json",
    "junit": "junit.xml",
}


@dataclass(frozen=True)
class Outputs:
    """Paths of the reports to write; None for those that were not asked for."""

    jsonl: Path | None = None
    markdown: Path | None = None
    html: Path | None = None
    json: Path | None = None
    junit: Path | None = None

    @classmethod
    def named(cls, folder: str, **files: str) -> Outputs:
        """Return the given files, and all others under their standard names in `folder`."""
        paths = {
            name: Path(files[name]) if files.get(name) else Path(folder, standard)
            for name, standard in STANDARD_NAMES.items()
            if files.get(name) or folder
        }
        return cls(**paths)

    @property
    def paths(self) -> list[Path]:
        """Return those to write."""
        return [path for path in self.__dict__.values() if path]

    def check(self) -> None:
        """Raise UsageError for a path that cannot be written, before anything is measured."""
        for path in self.paths:
            check_writable(path)

    def write(self, rows: Sequence[Row], gates: Sequence[Gate]) -> None:
        """Write the reports."""
        if self.jsonl:
            write_rows(self.jsonl, rows)
        if self.markdown:
            from roadseg.benchmarks.markdown import markdown_report

            write_text(self.markdown, markdown_report(rows, gates))
        if self.html:
            from roadseg.benchmarks.html import html_report

            write_text(self.html, html_report(rows, gates))
        if self.json:
            write_text(self.json, json.dumps(summary(rows, gates), indent=1) + "\n")
        if self.junit:
            write_text(self.junit, junit(gates))


def summary(rows: Sequence[Row], gates: Sequence[Gate]) -> dict[str, Any]:
    """Return the short form for CI: verdict, gates, and the main figures of each result."""
    found = results(rows)
    return {
        "schema": SCHEMA,
        "passed": all(gate.passed for gate in gates),
        "verdict": verdict(found),
        "gates": [gate.__dict__ for gate in gates],
        "results": [
            {
                "label": one.label,
                **{name: getattr(one.main, name) for name in _SHOWN},
                "p50_ms": one.p50,
                "p99_ms": one.main.latency_ms.get("p99"),
                "age_p99_ms": one.main.age_ms.get("p99"),
                "miou": one.accuracy.miou if one.accuracy else None,
            }
            for one in found
        ],
    }


_SHOWN = ("model", "precision", "engine", "width", "height", "fps", "memory_mb")
