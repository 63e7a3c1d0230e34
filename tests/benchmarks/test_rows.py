from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from roadseg.benchmarks.rows import SCHEMA, Row, read_rows, write_rows
from roadseg.runtime.errors import UsageError


def test_rows_come_back_as_they_were(tmp_path: Path, rows: list[Row]) -> None:
    write_rows(tmp_path / "rows.jsonl", rows)
    assert read_rows(tmp_path / "rows.jsonl") == rows


def test_a_row_has_the_names_that_others_rely_on(rows: list[Row]) -> None:
    names = "schema kind model engine precision width height n warmup latency_ms stages_ms age_ms "
    names += "fps memory_mb miou iou pixel_accuracy machine versions options"
    raw = json.loads(rows[0].to_json())
    assert set(names.split()) <= set(raw)
    assert raw["schema"] == SCHEMA
    assert {"p50", "p90", "p99", "max"} <= set(raw["latency_ms"])
    assert set(raw["stages_ms"]) == {"preprocess", "infer", "decode"}


def test_names_of_a_newer_minor_version_are_left_out(rows: list[Row]) -> None:
    raw = {**json.loads(rows[0].to_json()), "joules": 3.0}
    assert Row.from_json(json.dumps(raw)) == rows[0]


def test_a_value_that_is_not_a_number_is_never_written(rows: list[Row]) -> None:
    row = Row("accuracy", "a", "b", "c", 1, 1, miou=float("nan"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        row.to_json()


GOOD = {
    "schema": 1,
    "kind": "latency",
    "model": "m",
    "engine": "e",
    "precision": "int8",
    "width": 64,
    "height": 32,
    "latency_ms": {"p50": 1.0},
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 99}, "schema 99 is newer"),
        ({"schema": "one"}, "schema 'one' is not a whole number"),
        ({"kind": "speed"}, "'kind' is 'speed', not one of latency"),
        ({"model": None}, "no 'model'"),
        ({"model": ""}, "'model' is '', not text"),
        ({"width": "wide"}, "'width' is 'wide', not a whole number"),
        ({"width": True}, "'width' is 'True'"),
        ({"fps": "fast"}, "'fps' is 'fast', not a number"),
        ({"latency_ms": 3}, "'latency_ms' is '3', not numbers by name"),
        ({"latency_ms": {"p50": "x"}}, "not numbers by name"),
        ({"latency_ms": {"p99": 2.0}}, "no latency_ms.p50"),
        ({"latency_ms": None}, "no latency_ms.p50"),
        ({"samples_ms": [1, None]}, "not a list of numbers"),
        ({"iou": [0.5]}, "'iou' is"),
        ({"machine": "fast"}, "'machine' is 'fast', not values by name"),
        ({"kind": "soak"}, "no soak.slope_mb_per_1000"),
        ({"soak": {"rss_mb": [[1]]}}, "not the figures of a soak"),
        ({"soak": {"slope_mb_per_1000": "flat"}}, "not the figures of a soak"),
        ({"soak": {"slope_mb_per_1000": 1, "rss_mb": [], "allocated_kb": 1}}, "figures of a soak"),
        ({"age_ms": {"p50": 3}}, "a row of kind latency has no age_ms.p99"),
        ({"ledger": {"captured": 3}}, "has no ledger.unexplained"),
        ({"cpu": {"total_s": 3}}, "has no cpu.outside_share"),
        ({"confusion": {"counts": []}}, "not classes and a square of counts"),
        ({"confusion": {"classes": [1], "counts": [[1]]}}, "not classes and a square of counts"),
        ({"parts": [{"by": "condition", "miou": "good"}]}, "not tables with an miou"),
        ({"versions": {"numpy": 2}}, "not texts by name"),
        ({"machine": {"flags": [{}]}}, "not values by name"),
        ({"options": {"rate": "fast"}}, "rate a number"),
        ({"options": {"tta": 2}}, "tta a list"),
    ],
)
def test_a_wrong_row_is_told_with_its_line(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{json.dumps({**GOOD, **change})}\n")
    with pytest.raises(UsageError, match=re.escape(f"{path}:2: ")) as error:
        read_rows(path)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no rows"),
        (b"\n\n", "has no rows"),
        (b"{half", ":1: not JSON"),
        (b"[1, 2]\n", ":1: not a row of seg-bench"),
        (b'{"name": "foreign"}\n', ":1: not a row of seg-bench"),
        (b"\x89PNG\r\n\x1a\n\x00", "not a text file"),
        (b'{"schema": 1, "kind": "latency", "fps": NaN}', ":1: "),
    ],
)
def test_a_file_that_is_not_rows(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        read_rows(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_rows(tmp_path / "none.jsonl")


def test_failed_writing_leaves_the_older_file(tmp_path: Path, rows: list[Row]) -> None:
    path = tmp_path / "rows.jsonl"
    write_rows(path, rows)
    bad = Row("accuracy", "a", "b", "c", 1, 1, miou=float("inf"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_rows(path, [*rows, bad])
    assert read_rows(path) == rows
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipeline_of_which_nothing_was_told() -> None:
    assert Row("pipeline", "a", "b", "c", 1, 1).label == "a c · b · 1x1"
