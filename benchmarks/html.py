"""The HTML report: one file that needs nothing else, made from rows alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from roadseg.benchmarks import accuracy_plots, plots
from roadseg.benchmarks.class_table import class_table, worst_table
from roadseg.benchmarks.gates import Gate
from roadseg.benchmarks.results import Result, results, verdict
from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.table import WORDS, table
from roadseg.runtime.page import grid_table, header, html_page, section

_Plot = tuple[str, str, Callable[[Sequence[Result]], str], Callable[[Result], object]]
FIGURES: tuple[_Plot, ...] = (
    (
        *("Accuracy against speed", "Up and to the right is better.", plots.accuracy_against_speed),
        lambda one: one.miou is not None and one.main.fps,
    ),
    (
        *("Where the time goes", "Medians; the figure is the p50 of a whole frame."),
        *(plots.stage_bars, lambda one: one.main.stages_ms),
    ),
    (
        *("Latency of single frames", "Each on its own scale.", plots.latency_histograms),
        lambda one: one.main.samples_ms,
    ),
    (
        *("IoU of each class", "Of one confusion matrix; void is left out.", plots.class_bars),
        lambda one: one.accuracy and one.accuracy.iou,
    ),
    (
        *("mIoU of each group", "The groups (drives) with the lowest first.", plots.group_bars),
        lambda one: one.accuracy and one.accuracy.groups,
    ),
    (
        *("mIoU of each condition", "Weather or light, as the data set tells."),
        *(plots.condition_bars, lambda one: one.accuracy and plots.conditions(one)),
    ),
    (
        *("Confusion matrices", "Rows are the true class, in percent of its pixels."),
        *(accuracy_plots.confusion_matrices, lambda one: one.accuracy and one.accuracy.confusion),
    ),
    (
        *(
            "Precision over recall",
            "Over the threshold of a class's probability, least area first.",
        ),
        *(accuracy_plots.precision_recall, lambda one: one.accuracy and one.accuracy.curves),
    ),
    (
        *("Memory over frames", "Resident memory; flat is right.", plots.memory_over_frames),
        lambda one: one.soak,
    ),
)


def html_report(rows: Sequence[Row], gates: Sequence[Gate] = ()) -> str:
    """Return the report as one HTML page, with its style and plots inside it."""
    found = results(rows)
    body = [
        _header(rows),
        _cards(found),
        section("Verdict", _verdict(found, gates), "verdict"),
        section("Gates", _gates(gates)) if gates else "",
        section("Results", grid_table(*table(found), WORDS)),
        _figures(found),
        *_classes(found),
        section("How this was measured", _provenance(rows)),
    ]
    return html_page(_title(found), *body)


def _title(found: Sequence[Result]) -> str:
    models = list(dict.fromkeys(one.main.model for one in found))
    return "roadseg: " + ", ".join(models[:3]) + (" and more" if len(models) > 3 else "")


def _header(rows: Sequence[Row]) -> str:
    machines = list(dict.fromkeys(_machine_name(row.machine) for row in rows))
    days = sorted({str(row.options.get("started", ""))[:10] for row in rows} - {""})
    when = f", {days[0]}" if len(days) == 1 else f", {days[0]} to {days[-1]}" if days else ""
    return header("roadseg benchmark", "; ".join(filter(None, machines)) + when)


def _machine_name(machine: dict[str, Any]) -> str:
    cores = machine.get("cores")
    return f"{machine.get('cpu', '')}{f', {cores} cores' if cores else ''}"


def _cards(found: Sequence[Result]) -> str:
    timed = [one for one in found if one.p50]
    scored = [one for one in found if one.miou is not None]
    sized = [one for one in found if one.main.memory_mb]
    cards = []
    if timed:
        best = min(timed, key=lambda one: one.p50 or 0.0)
        cards.append(_card(f"{best.p50:.1f}", "ms p50", best, found))
        cards.append(_card(f"{best.main.fps or 0:.0f}", "FPS", best, found))
    aged = [one for one in found if one.main.age_ms]
    if aged:
        best = min(aged, key=lambda one: one.main.age_ms["p99"])
        cards.append(_card(f"{best.main.age_ms['p99']:.1f}", "ms age p99", best, found))
    if scored:
        best = max(scored, key=lambda one: one.miou or 0.0)
        cards.append(_card(f"{best.miou:.1f}", "% mIoU", best, found))
    if sized:
        best = min(sized, key=lambda one: one.main.memory_mb or 0.0)
        cards.append(_card(f"{best.main.memory_mb:.0f}", "MB", best, found))
    return f'<div class="cards">{"".join(cards)}</div>'


def _card(figure: str, unit: str, one: Result, found: Sequence[Result]) -> str:
    which = f"best: {one.label}" if len(found) > 1 else one.label
    return (
        f'<div class="card"><b>{figure} <small>{unit}</small></b><span>{escape(which)}</span></div>'
    )


def _verdict(found: Sequence[Result], gates: Sequence[Gate]) -> str:
    lines = [f"<p>{escape(line)}</p>" for line in verdict(found)]
    missed = sum(not gate.passed for gate in gates)
    if missed:
        lines.insert(0, f'<p class="bad">{missed} of {len(gates)} gates missed.</p>')
    elif gates:
        lines.insert(0, f'<p class="good">All {len(gates)} gates passed.</p>')
    return "".join(lines)


def _gates(gates: Sequence[Gate]) -> str:
    rows = "".join(
        f'<tr><td class="word {"good" if gate.passed else "bad"}">'
        f"{'passed' if gate.passed else 'missed'}</td>"
        f'<td class="word">{escape(gate.name)}</td><td class="word">{escape(gate.subject)}</td>'
        f'<td class="word">{escape(gate.detail)}</td></tr>'
        for gate in sorted(gates, key=lambda gate: gate.passed)
    )
    return f'<div class="scroll"><table class="gates"><tbody>{rows}</tbody></table></div>'


def _figures(found: Sequence[Result]) -> str:
    cards = [
        '<div><div class="card">'
        f'<h2>{title}</h2>{draw(found)}<p class="note">{note}</p></div></div>'
        for title, note, draw, has in FIGURES
        if any(has(one) for one in found)
    ]
    return f'<div class="figures">{"".join(cards)}</div>'


def _classes(found: Sequence[Result]) -> list[str]:
    tables = [(f"Classes: {one.label}", *class_table(one), 1) for one in found]
    tables.append(("Worst frames", *worst_table(found), 3))
    return [
        section(title, grid_table(headers, cells, words))
        for title, headers, cells, words in tables
        if cells
    ]


def _provenance(rows: Sequence[Row]) -> str:
    facts: list[tuple[str, str]] = []
    for row in rows:
        facts += [(name, _words(value)) for name, value in row.machine.items()]
        facts += list(row.versions.items())
        facts += [
            (name.replace("_", " "), _words(value))
            for name, value in row.options.items()
            if name not in ("command", "sha256")
        ]
        if digest := row.options.get("sha256"):
            facts.append((f"SHA-256 of {row.model}", str(digest)))
    merged: dict[str, list[str]] = {}
    for name, value in facts:
        if value and value not in merged.setdefault(name, []):
            merged[name].append(value)
    cells = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(' · '.join(values))}</td></tr>"
        for name, values in merged.items()
        if values
    )
    commands = dict.fromkeys(
        str(row.options["command"]) for row in rows if "command" in row.options
    )
    lines = "".join(f"<p><code>{escape(command)}</code></p>" for command in commands)
    return f'{lines}<table class="facts"><tbody>{cells}</tbody></table><p class="note">{NOTE}</p>'


NOTE = (
    "Latency is from a decoded frame to the full-size mask. Configurations were measured in turns, "
    "each in its own process; FPS is n over the sum of all latencies, memory the peak of that "
    "process. Of a camera, FPS is masks a second of the clock, age is from capture to mask, and "
    "CPU time is by the clocks of threads. With fewer than a hundred frames p99 is close to the "
    "maximum."
)


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
