from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.spec import ClassInfo
from roadseg.train.evaluation import total
from roadseg.train.plots import draw_confusion, draw_curves
from roadseg.train.sheet import choose_rows, class_palette, draw_sheet


def matrix(*rows: list[int]) -> ConfusionMatrix:
    made = ConfusionMatrix(len(rows))
    made.counts[:] = rows
    return made


def read(path: Path) -> Any:
    pixels = cv2.imread(str(path))
    assert pixels is not None
    return pixels


def history(count: int, slope: float = -0.01) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for epoch in range(1, count + 1):
        rows.append({"epoch": epoch, "loss": 2 + slope * epoch, "lr": 1e-3 / epoch})
        if epoch % 5 == 0:
            rows[-1]["miou"] = 0.5 - 1 / epoch / 4
    return rows


@pytest.mark.parametrize("count", [1, 5, 80])
def test_curves_of_any_length(tmp_path: Path, count: int) -> None:
    draw_curves(history(count), tmp_path / "one.png")
    draw_curves(history(count), tmp_path / "same.png")
    draw_curves(history(count + 1, slope=0.02), tmp_path / "other.png")
    one, same, other = (read(tmp_path / f"{name}.png") for name in ("one", "same", "other"))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_confusion_is_of_each_true_class(tmp_path: Path) -> None:
    draw_confusion(matrix([90, 10], [0, 5]), ("road", "sky"), tmp_path / "one.png")
    draw_confusion(matrix([180, 20], [0, 5]), ("road", "sky"), tmp_path / "twice.png")
    draw_confusion(matrix([10, 90], [0, 5]), ("road", "sky"), tmp_path / "other.png")
    one, twice, other = (read(tmp_path / f"{n}.png") for n in ("one", "twice", "other"))
    title = one.shape[0] // 5  # the mIoU above differs
    assert np.array_equal(one[title:], twice[title:])
    assert not np.array_equal(one[title:], other[title:])


@pytest.mark.parametrize("count", [2, 19, 32])
def test_confusion_of_many_classes_and_of_none_seen(tmp_path: Path, count: int) -> None:
    empty = ConfusionMatrix(count)
    empty.counts[0, 0] = 7
    draw_confusion(empty, [f"class {n}" for n in range(count)], tmp_path / "c.png")
    assert read(tmp_path / "c.png").shape[0] > 300


def test_rows_go_from_the_best_to_the_worst() -> None:
    hits = [5, 90, 40, 70, 100, 20, 60]
    images = [matrix([hit, 100 - hit], [0, 0]) for hit in hits]
    void = ConfusionMatrix(2)
    chosen = choose_rows([*images, void])
    assert [hits[index] for index in chosen] == [100, 70, 40, 5]
    assert choose_rows(images[:2]) == [1, 0]
    assert choose_rows([void]) == []


def test_total_is_the_sum() -> None:
    whole = total([matrix([1, 2], [3, 4]), matrix([10, 0], [0, 10])], 2)
    assert whole.counts.tolist() == [[11, 2], [3, 14]]
    assert total([], 2).counts.sum() == 0


def test_void_is_no_classs_colour() -> None:
    classes = (ClassInfo("other", (0, 0, 0)), ClassInfo("road", (128, 64, 128)))
    palette = class_palette(classes)
    assert tuple(palette[1]) == (128, 64, 128)
    assert tuple(palette[255]) not in {info.color for info in classes}


def test_sheet_of_images_of_different_shapes(tmp_path: Path) -> None:
    classes = tuple(ClassInfo(f"class {n}", (8 * n, 0, 255 - 8 * n)) for n in range(20))
    rows = []
    for height, width in ((60, 100), (100, 60)):
        image = np.full((height, width, 3), 200, np.uint8)
        labels = np.full((height, width), 3, np.uint8)
        rows.append((f"{width}x{height}", image, labels, labels + 16))
    draw_sheet(rows, classes, tmp_path / "sheet.png")
    pixels = read(tmp_path / "sheet.png")[..., ::-1]
    for index in (3, 19):
        assert (pixels == np.array(classes[index].color)).all(2).mean() > 0.1


def test_nothing_is_left_when_drawing_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        draw_curves([{"epoch": 1}], tmp_path / "curves.png")
    assert not list(tmp_path.iterdir())
