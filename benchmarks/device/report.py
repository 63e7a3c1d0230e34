"""The report of a device check: one HTML page, with everything as JSON inside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from roadseg.benchmarks.device.outcome import OK, SKIPPED, Outcome, summary
from roadseg.benchmarks.results import results
from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.table import WORDS, table
from roadseg.runtime.page import grid_table, header, html_page, section

DATA_ID = "device-check"
SCHEMA = 1


def device_page(about: Mapping[str, Any], outcomes: Sequence[Outcome], rows: Sequence[Row]) -> str:
    """Return the page; about has machine, versions, board and sensors."""
    machine = about["machine"]
    words = f"{machine.get('cpu', '')}, {machine.get('os', '')}, {about['started'][:10]}"
    kernels = next((each for each in outcomes if each.step == "kernels" and each.figures), None)
    parts = [
        header("roadseg device check", words),
        section("Steps", _steps(outcomes) + f'<p class="note">{summary(outcomes)}</p>'),
        section("Latency", grid_table(*table(results(rows)), WORDS)) if rows else "",
        section(f"Kernels, {kernels.figures['isa']}", _kernels(kernels)) if kernels else "",
        section("Machine", _facts(about)),
        _data(about, outcomes, rows),
    ]
    return html_page("roadseg device check", *parts)


def _steps(outcomes: Sequence[Outcome]) -> str:
    lines = "".join(
        f'<tr><td class="word {_style(each.state)}">{each.state}</td>'
        f'<td class="word">{escape(each.step)}</td><td class="word">{escape(each.subject)}</td>'
        f'<td class="word">{escape(each.detail)}</td></tr>'
        for each in outcomes
    )
    return f'<div class="scroll"><table class="gates"><tbody>{lines}</tbody></table></div>'


def _style(state: str) -> str:
    return {OK: "good", SKIPPED: ""}.get(state, "bad")


def _kernels(outcome: Outcome) -> str:
    headers = [("task", ""), ("beside it", ""), ("kernel", "ms"), ("library", "ms")]
    cells = [
        [task, each["library"], f"{each['ms']:.2f}", f"{each['library_ms']:.2f}"]
        for task, each in outcome.figures["tasks"].items()
    ]
    return grid_table(headers, cells, 2)


def _facts(about: Mapping[str, Any]) -> str:
    facts = {**about["machine"], **about["versions"], **about["board"]}
    for when in ("before", "after"):
        facts |= {f"{name}, {when}": v for name, v in about[f"sensors_{when}"].items()}
    lines = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(_words(value))}</td></tr>"
        for name, value in facts.items()
    )
    return f'<table class="facts"><tbody>{lines}</tbody></table>'


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _data(about: Mapping[str, Any], outcomes: Sequence[Outcome], rows: Sequence[Row]) -> str:
    content = {
        "schema": SCHEMA,
        **about,
        "outcomes": [each.to_dict() for each in outcomes],
        "rows": [json.loads(row.to_json()) for row in rows],
    }
    text = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{DATA_ID}">{text}</script>'
