"""Gates: what a measurement must reach for CI to pass, and comparison with an earlier one."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from roadseg.benchmarks.results import identity
from roadseg.benchmarks.rows import Row
from roadseg.runtime.errors import UsageError


class Share(float):
    """A share written as "80%", "80" or "0.8"; at most 1 is taken as it stands."""

    def __new__(cls, text: str | float) -> Share:
        """Read it; raises ArgumentTypeError for what is no share from 0 to 100 %."""
        match = re.fullmatch(r"(\d+|\d*\.\d+)\s*(%?)", str(text).strip())
        value = float(match[1]) if match else -1.0
        if match and (match[2] or value > 1):
            value /= 100
        if not 0 <= value <= 1:
            raise argparse.ArgumentTypeError(f"'{text}' is not a share such as 10%")
        return super().__new__(cls, value)

    def __str__(self) -> str:
        return f"{self * 100:g}%"


@dataclass(frozen=True)
class Limits:
    """What rows must reach; None is not asked for.

    min_fps: of latency and pipeline rows, frames a second.
    max_p99: milliseconds of latency, and of the age of a pipeline's masks.
    max_outside: of pipeline rows, the share of CPU time outside the engine.
    min_miou: of accuracy rows, 0 to 1.
    max_growth: of soak rows, MB per 1000 frames.
    tolerance: how much slower or larger than the earlier row is still the same, a share.
    max_drop: how many points of mIoU less than the earlier row is still the same.
    """

    min_fps: float | None = None
    max_p99: float | None = None
    max_outside: float | None = None
    min_miou: float | None = None
    max_growth: float | None = None
    tolerance: float = 0.1
    max_drop: float = 0.5


@dataclass(frozen=True)
class Gate:
    """One check that was made: what of what, whether it passed, and the figures."""

    name: str
    subject: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.detail} ({self.name})"


_Limit = tuple[str, tuple[str, ...], Callable[[Row], float | None], bool, float, str]
TIMED = ("latency", "pipeline")


def _p99(row: Row) -> float | None:
    return (row.age_ms if row.kind == "pipeline" else row.latency_ms).get("p99")


def _limits(limits: Limits) -> dict[str, _Limit]:
    """Option → its option's name, row kinds, figure, whether more is better, factor, unit."""
    return {
        "min_fps": ("min-fps", TIMED, lambda row: row.fps, True, 1, " FPS"),
        "max_p99": ("max-p99", TIMED, _p99, False, 1, " ms"),
        "max_outside": (
            *("max-outside", ("pipeline",), lambda row: row.cpu.get("outside_share"), False),
            *(100, " % of CPU time outside the engine"),
        ),
        "min_miou": ("min-miou", ("accuracy",), lambda row: row.miou, True, 100, " % mIoU"),
        "max_growth": (
            *("max-growth", ("soak",), lambda row: row.soak.get("slope_mb_per_1000"), False),
            *(1, " MB in 1000 frames"),
        ),
    }


def check_limits(rows: Sequence[Row], limits: Limits) -> list[Gate]:
    """Check every row that a limit speaks of, and that all frames of a camera are explained.

    Raises UsageError for a limit that no row can be held to: a gate that cannot fail is none.
    """
    gates = [_explained(row) for row in rows if "unexplained" in row.ledger]
    for option, (name, kinds, figure, more, factor, unit) in _limits(limits).items():
        wanted = getattr(limits, option)
        if wanted is None:
            continue
        held = [(row, figure(row)) for row in rows if row.kind in kinds]
        if all(value is None for _, value in held):
            raise UsageError(f"--{name}: no row of kind {kinds[0]} to hold to it{_hint(kinds[0])}")
        for row, value in held:
            passed = value is not None and (value >= wanted if more else value <= wanted)
            told = "not measured" if value is None else f"{value * factor:.2f}{unit}"
            detail = f"{told}, wanted {'at least' if more else 'at most'} {wanted * factor:g}"
            gates.append(Gate(name, row.label, passed, detail))
    return gates


def _explained(row: Row) -> Gate:
    lost = row.ledger["unexplained"]
    detail = f"{lost} of {row.ledger.get('captured', 0)} frames unexplained, wanted 0"
    return Gate("ledger", row.label, lost == 0, detail)


def _hint(kind: str) -> str:
    return {"accuracy": ": give --data", "soak": ": give --soak FRAMES"}.get(kind, "")


def compare(rows: Sequence[Row], earlier: Sequence[Row], limits: Limits) -> list[Gate]:
    """Hold rows to earlier rows of the same configuration, of the same CPU where there is one.

    Medians and memory may grow by `tolerance`, mIoU may lose `max_drop` points. What was measured
    earlier and is not among the rows is missed too: a model that has another name now, an engine
    that "auto" no longer finds. Raises UsageError when no row has an earlier one.
    """
    before = {key: row for row in earlier for key in (identity(row), _on_cpu(row))}
    found = [(row, before.get(_on_cpu(row)) or before.get(identity(row))) for row in rows]
    pairs = [(row, old) for row, old in found if old]
    if not pairs:
        raise UsageError("--compare: no row of the same model, engine, size and options in it")
    again = {identity(row) for row in rows}
    lost = {identity(row): row for row in earlier if identity(row) not in again}
    gates = [gate for row, old in pairs for gate in _compare_row(row, old, limits)]
    return gates + [_lost(row) for row in lost.values()]


def _on_cpu(row: Row) -> tuple[Hashable, ...]:
    return (*identity(row), str(row.machine.get("cpu", "")))


def _lost(row: Row) -> Gate:
    detail = f"{row.kind} was measured before, and not now with the same options and data"
    return Gate("compare", row.label, False, detail)


def _compare_row(row: Row, old: Row, limits: Limits) -> list[Gate]:
    new_p50, old_p50 = row.latency_ms.get("p50"), old.latency_ms.get("p50")
    new_age, old_age = row.age_ms.get("p50"), old.age_ms.get("p50")
    found = [
        _grown("p50", row, new_p50, old_p50, limits.tolerance, "ms"),
        _grown("age p50", row, new_age, old_age, limits.tolerance, "ms"),
        _grown("memory", row, row.memory_mb, old.memory_mb, limits.tolerance, "MB"),
    ]
    if old.miou is not None:
        miou = row.miou or 0.0
        drop = (old.miou - miou) * 100
        detail = f"mIoU {miou:.2%}, was {old.miou:.2%}, may lose {limits.max_drop:g} points"
        found.append(Gate("compare miou", row.label, drop <= limits.max_drop, detail))
    return [gate for gate in found if gate]


def _grown(
    what: str, row: Row, new: float | None, old: float | None, tolerance: float, unit: str
) -> Gate | None:
    if not old:
        return None
    if not new:
        detail = f"{what} was {old:.2f} {unit}, not measured now"
        return Gate(f"compare {what}", row.label, False, detail)
    detail = f"{what} {new:.2f} {unit}, was {old:.2f} ({new / old - 1:+.1%}, may {tolerance:+.0%})"
    return Gate(f"compare {what}", row.label, new <= old * (1 + tolerance), detail)


def other_machines(rows: Sequence[Row], earlier: Sequence[Row]) -> str:
    """Return a warning when the earlier rows are of another CPU, else nothing."""
    here = {str(row.machine.get("cpu", "unknown")) for row in rows}
    there = {str(row.machine.get("cpu", "unknown")) for row in earlier}
    if here == there:
        return ""
    return f"compared across machines: {', '.join(sorted(there))} before"


def junit(gates: Sequence[Gate]) -> str:
    """Return gates as JUnit XML, a test case each, for CI to show."""
    failed = sum(not gate.passed for gate in gates)
    cases = "".join(_case(gate) for gate in gates)
    counts = f'tests="{len(gates)}" failures="{failed}" errors="0"'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites {counts}>\n<testsuite name="seg-bench" {counts}>\n{cases}'
        "</testsuite>\n</testsuites>\n"
    )


def _case(gate: Gate) -> str:
    head = f"<testcase classname={quoteattr(gate.name)} name={quoteattr(gate.subject)}"
    if gate.passed:
        return f"{head}/>\n"
    return f"{head}><failure message={quoteattr(gate.detail)}/></testcase>\n"
