from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from roadseg.benchmarks.results import identity, labels, results, verdict
from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.table import one_line, table, text_table

Make = Callable[..., Row]


def test_rows_of_one_configuration_are_one_result(rows: list[Row]) -> None:
    found = results(rows)
    assert [one.main.model for one in found] == ["mobileunet", "mobileunet-int8", "mobileunet-int8"]
    assert [round(one.miou or 0, 2) for one in found] == [72.5, 72.1, 72.08]
    assert [one.soak is not None for one in found] == [True, False, False]
    assert [one.order for one in found] == [0, 1, 2]


def test_accuracy_alone_is_a_result(rows: list[Row]) -> None:
    found = results([row for row in rows if row.kind == "accuracy"])
    assert len(found) == 3
    assert found[0].p50 is None


def test_of_a_repeated_measurement_the_last_counts(make_row: Make) -> None:
    (one,) = results([make_row(20.0), make_row(30.0)])
    assert (one.p50 or 0) > 29


def test_labels_have_only_what_differs(make_row: Make) -> None:
    assert labels([make_row()]) == ["mobileunet float32"]
    by_size = [make_row(), make_row(width=512, height=256)]
    assert labels(by_size) == ["mobileunet float32 · 1024x512", "mobileunet float32 · 512x256"]
    by_threads = [make_row(options={"threads": 1}), make_row(options={"threads": 2})]
    assert labels(by_threads) == [
        "mobileunet float32 · threads 1",
        "mobileunet float32 · threads 2",
    ]
    machines = [make_row(), make_row(machine={"cpu": "Other"})]
    assert labels(machines)[1] == "mobileunet float32 · Other"
    assert len(results(machines)) == 2


def test_the_verdict_says_what_the_rows_say(rows: list[Row]) -> None:
    lines = verdict(results(rows))
    assert lines[0].startswith("Fastest is mobileunet-int8 · openvino: 16.")
    assert "2.5 times as fast as mobileunet float32 · onnxruntime" in lines[0]
    assert lines[1] == "2 of 3 hold 30 FPS with p99 (at most 33.3 ms)."
    assert lines[2] == (
        "Best accuracy is 72.5 mIoU (mobileunet float32 · onnxruntime); "
        "the fastest has 0.4 points less."
    )
    assert lines[3].startswith("Memory changes by +0.01 MB")


def test_a_single_slow_configuration_does_not_hold(make_row: Make) -> None:
    assert verdict(results([make_row(80.0)]))[1].startswith("It does not hold 30 FPS")
    assert verdict(results([make_row(10.0)]))[1].startswith("It holds 30 FPS")


def test_the_table_has_no_empty_columns(rows: list[Row]) -> None:
    names = [name for name, _ in table(results(rows[:1]))[0]]
    assert "p50" in names
    assert not {"mIoU", "growth", "age p50"} & set(names)
    assert {"mIoU", "growth"} <= {name for name, _ in table(results(rows))[0]}


def test_columns_of_the_terminal_are_aligned(rows: list[Row]) -> None:
    lines = text_table(results(rows)).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1


def test_one_useful_line(rows: list[Row]) -> None:
    line = one_line(results([rows[0], rows[3]])[0])
    for part in ("mobileunet float32 · onnxruntime · 1024x512", "p50", "FPS", "infer", "72.50 %"):
        assert part in line


def scored(row: Row, miou: float = 0.6, **options: object) -> Row:
    return replace(row, kind="accuracy", miou=miou, options=options)


def test_accuracy_with_and_without_augmentation_is_kept_apart(make_row: Make) -> None:
    plain, flipped = make_row(), make_row(options={"tta": ["flip"]})
    rows = [plain, flipped, scored(plain, 0.6), scored(plain, 0.7, tta=["flip"])]
    assert [one.miou for one in results(rows)] == pytest.approx([60, 70])


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"split": "val"}, {"split": "train"}, ("split val", "split train")),
        ({"data": "a/camvid"}, {"data": "a/idd"}, ("data camvid", "data idd")),
        ({}, {"label_map": ["drivable"]}, ("", "label map drivable")),
    ],
)
def test_scores_on_other_data_are_kept_apart(
    make_row: Make, first: dict[str, object], second: dict[str, object], words: tuple[str, ...]
) -> None:
    row = make_row()
    timed, *found = results([row, scored(row, 0.6, **first), scored(row, 0.9, **second)])
    assert (timed.p50, timed.miou) == (row.latency_ms["p50"], None)
    assert [one.miou for one in found] == pytest.approx([60, 90])
    assert [one.label.partition(" · ")[2] for one in found] == list(words)
    assert f"Best accuracy is 90.0 mIoU (mobileunet float32 · {words[1]})" in " ".join(
        verdict([timed, *found])
    )
    lines = text_table([timed, *found]).splitlines()
    assert words[0] in lines[2]
    assert words[1] in lines[3]


def test_the_same_data_elsewhere_is_the_same(make_row: Make) -> None:
    row = make_row()
    both = [scored(row, 0.6, data="/here/camvid"), scored(row, 0.7, data="/there/camvid/")]
    (one,) = results([row, *both])
    assert one.miou == pytest.approx(70)


def test_what_makes_two_rows_the_same_measurement(make_row: Make) -> None:
    row = make_row()
    assert identity(scored(row, split="val")) == identity(scored(row, 0.1, split="val"))
    assert identity(scored(row, split="val")) != identity(scored(row, split="test"))
    assert identity(scored(row, data="a/camvid")) != identity(scored(row, data="a/idd"))
    first, second = (make_row(options={"source": f"camera:{number}"}) for number in range(2))
    assert identity(first) != identity(second)
