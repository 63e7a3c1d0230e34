from __future__ import annotations

import argparse
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace

import pytest

from roadseg.benchmarks.gates import (
    Gate,
    Limits,
    Share,
    check_limits,
    compare,
    junit,
    other_machines,
)
from roadseg.benchmarks.rows import Row
from roadseg.runtime.errors import UsageError

Make = Callable[..., Row]


@pytest.mark.parametrize(
    ("text", "value"),
    [("10%", 0.1), ("10", 0.1), ("0.1", 0.1), ("1", 1.0), ("1%", 0.01), ("72.5", 0.725), ("0", 0)],
)
def test_a_share(text: str, value: float) -> None:
    assert Share(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x", "101", "-5", "nan", "inf", "10%%"])
def test_no_share(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a share"):
        Share(text)


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        (Limits(min_fps=30), [False, True, True]),
        (Limits(min_fps=20), [True, True, True]),
        (Limits(max_p99=40), [False, True, True]),
        (Limits(min_miou=0.7209), [True, True, False]),
        (Limits(max_growth=0.1), [True]),
        (Limits(max_growth=0.001), [False]),
        (Limits(), []),
    ],
)
def test_limits(rows: list[Row], limits: Limits, passed: list[bool]) -> None:
    assert [gate.passed for gate in check_limits(rows, limits)] == passed


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(min_miou=0.5), "--min-miou: no row of kind accuracy"),
        (Limits(max_growth=1), "--max-growth: no row of kind soak"),
    ],
)
def test_a_gate_that_nothing_can_be_held_to(make_row: Make, limits: Limits, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_limits([make_row()], limits)


def test_the_same_rows_pass_a_comparison(rows: list[Row]) -> None:
    gates = compare(rows, rows, Limits())
    assert len(gates) == 9  # p50 and memory of three, mIoU of three
    assert all(gate.passed for gate in gates)


@pytest.mark.parametrize(
    ("factor", "tolerance", "passed"),
    [(1.05, 0.1, True), (1.15, 0.1, False), (1.15, 0.2, True), (0.5, 0.0, True)],
)
def test_slower(make_row: Make, factor: float, tolerance: float, passed: bool) -> None:
    old, new = make_row(20.0, memory_mb=100.0), make_row(20.0, memory_mb=100.0)
    new = replace(new, latency_ms={"p50": old.latency_ms["p50"] * factor})
    speed, memory = compare([new], [old], Limits(tolerance=tolerance))
    assert (speed.passed, memory.passed) == (passed, True)
    assert f"{factor - 1:+.1%}" in speed.detail


def test_larger(make_row: Make) -> None:
    gates = compare([make_row(memory_mb=120.0)], [make_row(memory_mb=100.0)], Limits())
    assert [(gate.name, gate.passed) for gate in gates] == [
        ("compare p50", True),
        ("compare memory", False),
    ]


@pytest.mark.parametrize(("drop", "passed"), [(0.004, True), (0.006, False)])
def test_less_accurate(rows: list[Row], drop: float, passed: bool) -> None:
    old = rows[3]
    (gate,) = compare([replace(old, miou=(old.miou or 0) - drop)], [old], Limits())
    assert gate.passed is passed


def test_other_options_are_not_compared(make_row: Make) -> None:
    one, two = make_row(options={"threads": 1}), make_row(options={"threads": 2})
    with pytest.raises(UsageError, match="--compare: no row of the same"):
        compare([one], [two], Limits())


def test_another_machine_is_told(make_row: Make) -> None:
    there = make_row(machine={"cpu": "Other CPU"})
    assert "Other CPU" in other_machines([make_row()], [there])
    assert other_machines([make_row()], [make_row()]) == ""


def test_junit() -> None:
    gates = [Gate("min-fps", 'a "b" <c>', True, "x"), Gate("max-p99", "d", False, "9 > 8 & more")]
    root = ElementTree.fromstring(junit(gates))
    suite = root[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert suite[0].get("name") == 'a "b" <c>'
    assert suite[1][0].get("message") == "9 > 8 & more"
