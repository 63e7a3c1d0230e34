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


@pytest.mark.parametrize(
    ("limits", "figures"),
    [
        (Limits(min_fps=1), {"fps": None}),
        (Limits(max_p99=100), {"latency_ms": {"p50": 500.0}}),
    ],
)
def test_a_row_without_the_figure_misses_its_gate(
    make_row: Make, limits: Limits, figures: dict[str, object]
) -> None:
    gates = check_limits([make_row(), make_row(model="other", **figures)], limits)
    assert [gate.passed for gate in gates] == [True, False]
    assert "not measured, wanted" in gates[1].detail


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


@pytest.mark.parametrize(
    "change", [{"model": "renamed"}, {"engine": "openvino"}, {"options": {"threads": 2}}]
)
def test_what_is_not_measured_again_is_missed(make_row: Make, change: dict[str, object]) -> None:
    same, old = make_row(), make_row(model="other")
    *passed, missed = compare([same, replace(old, **change)], [same, old], Limits())  # type: ignore[arg-type]
    assert [(gate.name, gate.passed) for gate in passed] == [
        ("compare p50", True),
        ("compare memory", True),
    ]
    assert (missed.name, missed.passed) == ("compare", False)
    assert str(missed).startswith("other float32 · onnxruntime · 1024x512: latency was measured")


def test_an_miou_of_other_frames_is_another_measurement(rows: list[Row]) -> None:
    *_, missed = compare([rows[0], replace(rows[3], n=3, miou=0.9)], [rows[0], rows[3]], Limits())
    assert not missed.passed
    assert "accuracy was measured" in missed.detail


@pytest.mark.parametrize("figures", [{"memory_mb": None}, {"latency_ms": {}}])
def test_a_figure_that_was_there_before(make_row: Make, figures: dict[str, object]) -> None:
    gates = compare([replace(make_row(), **figures)], [make_row()], Limits())  # type: ignore[arg-type]
    assert sorted(gate.passed for gate in gates) == [False, True]
    assert "not measured now" in next(gate.detail for gate in gates if not gate.passed)


@pytest.mark.parametrize("first", [0, 1])
def test_of_several_machines_the_same_one_is_compared_with(make_row: Make, first: int) -> None:
    slow = {name: value * 3 for name, value in make_row().latency_ms.items()}
    earlier = [make_row(), make_row(latency_ms=slow, machine={"cpu": "Slow CPU"})]
    earlier = [earlier[first], earlier[1 - first]]
    gate, _ = compare([make_row(latency_ms=slow)], earlier, Limits())
    assert not gate.passed


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
