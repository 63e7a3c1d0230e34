"""What a session ends with: reports, results on the terminal, gates, the exit code."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence

from roadseg.benchmarks.gates import Gate, Limits, check_limits, compare, other_machines
from roadseg.benchmarks.outputs import Outputs
from roadseg.benchmarks.results import results
from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.table import one_line, text_table
from roadseg.runtime.errors import UsageError


def collect(measured: Iterable[Row], outputs: Outputs) -> list[Row]:
    """Return rows as they are measured; write those that are there when a later one fails."""
    rows: list[Row] = []
    try:
        for row in measured:
            rows.append(row)
    except BaseException as error:  # Ctrl-C too
        if rows:
            outputs.write(rows, [Gate("measured", "seg-bench", False, str(error) or "stopped")])
            _print_results(rows, outputs)
        raise
    return rows


def finish(
    rows: Sequence[Row], earlier: Sequence[Row], limits: Limits, outputs: Outputs, command: str
) -> int:
    """Write reports, print results and gates; return 1 when a gate was missed.

    command: that measures the same again, or reads the same rows.
    Raises UsageError for gates that no row can be held to; the reports are written before.
    """
    try:
        gates = _check(rows, earlier, limits)
    except UsageError as error:  # what was measured is not lost, and does not count as passed
        outputs.write(rows, [Gate("gates", "seg-bench", False, str(error))])
        raise
    outputs.write(rows, gates)
    _print_results(rows, outputs)
    _print_next(outputs, command)
    return _print_gates(gates)


def _check(rows: Sequence[Row], earlier: Sequence[Row], limits: Limits) -> list[Gate]:
    gates = check_limits(rows, limits)
    if earlier:
        if warning := other_machines(rows, earlier):
            print(f"seg-bench: {warning}", file=sys.stderr)
        gates += compare(rows, earlier, limits)
    return gates


def _print_results(rows: Sequence[Row], outputs: Outputs) -> None:
    found = results(rows)
    print(one_line(found[0]) if len(found) == 1 else text_table(found))
    if outputs.paths:
        print(f"reports: {', '.join(map(str, outputs.paths))}")


def _print_next(outputs: Outputs, command: str) -> None:
    if outputs.jsonl and not command.startswith("seg-bench report "):
        print(f"next: after a change, {command} --compare {shlex.quote(str(outputs.jsonl))}")
    elif not outputs.paths:
        print(f"next: {command} --out bench")


def _print_gates(gates: Sequence[Gate]) -> int:
    missed = [gate for gate in gates if not gate.passed]
    for gate in missed:
        print(f"seg-bench: missed: {gate}", file=sys.stderr)
    if gates and not missed:
        print(f"gates: all {len(gates)} passed")
    return 1 if missed else 0
