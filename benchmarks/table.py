"""The table of results: the same columns on the terminal, in Markdown and in HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from roadseg.benchmarks.results import Result, scored_on
from roadseg.benchmarks.rows import STAGES

Cell = Callable[[Result], str]


def _latency(name: str) -> Cell:
    return lambda one: _format(one.main.latency_ms.get(name), ".1f")


def _stage(name: str) -> Cell:
    return lambda one: _format(one.main.stages_ms.get(name), ".2f")


def _after(one: Result) -> str:
    spent = one.main.stages_ms
    after = [f"{name} {ms:.2f}" for name, ms in spent.items() if name not in STAGES]
    return ", ".join(after)


def _age(name: str) -> Cell:
    return lambda one: _format(one.main.age_ms.get(name), ".1f")


def _sensor(name: str, how: str) -> Cell:
    return lambda one: _format(one.main.sensors.get(name), how)


def _ledger(name: str) -> Cell:
    return lambda one: str(one.main.ledger.get(name, ""))


def _format(value: float | None, how: str, factor: float = 1.0) -> str:
    return "" if value is None else format(value * factor, how)


# Header, unit, cell. The first columns are words, the others figures.
COLUMNS: tuple[tuple[str, str, Cell], ...] = (
    ("model", "", lambda one: one.main.model),
    ("precision", "", lambda one: one.main.precision),
    ("engine", "", lambda one: one.main.engine),
    ("size", "", lambda one: f"{one.main.width}x{one.main.height}"),
    ("camera", "", lambda one: " ".join(one.main.camera_parts)),
    ("p50", "ms", _latency("p50")),
    ("p90", "ms", _latency("p90")),
    ("p99", "ms", _latency("p99")),
    ("max", "ms", _latency("max")),
    ("FPS", "", lambda one: _format(one.main.fps, ".1f")),
    ("preprocess", "ms", _stage("preprocess")),
    ("infer", "ms", _stage("infer")),
    ("decode", "ms", _stage("decode")),
    ("after the network", "ms", _after),
    ("age p50", "ms", _age("p50")),
    ("age p90", "ms", _age("p90")),
    ("age p99", "ms", _age("p99")),
    ("age p99.9", "ms", _age("p99.9")),
    ("age max", "ms", _age("max")),
    ("captured", "", _ledger("captured")),
    ("dropped", "", _ledger("dropped")),
    ("stale", "", _ledger("stale")),
    ("unexplained", "", _ledger("unexplained")),
    ("CPU outside engine", "%", lambda one: _format(one.main.cpu.get("outside_share"), ".1f", 100)),
    ("memory", "MB", lambda one: _format(one.main.memory_mb, ".0f")),
    ("energy", "J/frame", _sensor("joules_per_frame", ".3f")),
    ("power", "W", _sensor("watts", ".1f")),
    ("heat", "°C", _sensor("max_c", ".0f")),
    ("throttled", "", lambda one: "yes" if one.main.sensors.get("throttled") else ""),
    ("scored on", "", lambda one: _scored_on(one)),
    ("mIoU", "%", lambda one: _format(one.miou, ".2f")),
    ("pixels", "%", lambda one: _format(_pixel_accuracy(one), ".2f", 100)),
    ("growth", "MB/1000", lambda one: _growth(one)),
    ("n", "", lambda one: str(one.main.n or "")),
)
WORDS = 4
MINUS = "\N{MINUS SIGN}"


def _pixel_accuracy(one: Result) -> float | None:
    return one.accuracy.pixel_accuracy if one.accuracy else None


def _scored_on(one: Result) -> str:
    """Return what tells scores without a speed from each other, as those of two splits."""
    return ", ".join(filter(None, scored_on(one.main))) if one.main is one.accuracy else ""


def _growth(one: Result) -> str:
    if not one.soak:
        return ""
    return f"{one.soak.soak['slope_mb_per_1000']:+.2f}".replace("-", MINUS)


def table(found: Sequence[Result]) -> tuple[list[tuple[str, str]], list[list[str]]]:
    """Return headers (name, unit) and cells, without the columns that would be empty."""
    columns = [((name, unit), [cell(one) for one in found]) for name, unit, cell in COLUMNS]
    full = [(header, cells) for header, cells in columns if any(cells)]
    return [header for header, _ in full], [
        list(row) for row in zip(*(cells for _, cells in full), strict=True)
    ]


def one_line_headers(found: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Return the table with its units in the headers: "p50 (ms)"."""
    headers, cells = table(found)
    return [f"{name} ({unit})" if unit else name for name, unit in headers], cells


def text_table(found: Sequence[Result]) -> str:
    """Return the table in aligned columns for a terminal."""
    headers, cells = one_line_headers(found)
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    lines = [
        "  ".join(
            word.ljust(width) if number < WORDS else word.rjust(width)
            for number, (word, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [headers, *cells]
    ]
    return "\n".join(lines)


def one_line(one: Result) -> str:
    """Return the result of a single configuration as one line."""
    row = one.main
    parts = [row.label]
    if row.latency_ms:
        timing = f"{row.latency_ms['p50']:.1f} ms p50, {row.latency_ms.get('p99', 0):.1f} ms p99"
        parts.append(f"{timing}, {row.fps or 0:.1f} FPS")
    if row.age_ms:
        parts.append(f"{row.fps or 0:.1f} FPS, age {row.age_ms['p99']:.1f} ms p99")
    if row.ledger:
        parts.append(f"{row.ledger['unexplained']} of {row.ledger['captured']} unexplained")
    if row.stages_ms:
        parts.append(" + ".join(f"{name} {value:.1f}" for name, value in row.stages_ms.items()))
    if one.miou is not None:
        parts.append(f"mIoU {one.miou:.2f} %")
    if row.cpu:
        parts.append(f"{row.cpu['outside_share']:.1%} of CPU outside the engine")
    if row.memory_mb:
        parts.append(f"{row.memory_mb:.0f} MB")
    return " | ".join(parts)
