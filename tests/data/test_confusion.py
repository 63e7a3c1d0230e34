from __future__ import annotations

import math

import numpy as np
import pytest

from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.errors import DataError
from roadseg.runtime.spec import IGNORE


def masks(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint8)


def test_scores_by_hand() -> None:
    matrix = ConfusionMatrix(3)
    matrix.update(masks([0, 0, 1, IGNORE]), masks([0, 1, 1, 2]))
    assert matrix.counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert matrix.iou[:2].tolist() == [0.5, 0.5]
    assert math.isnan(matrix.iou[2])
    assert matrix.miou == 0.5
    assert matrix.pixel_accuracy == pytest.approx(2 / 3)
    assert matrix.iou_by_name(["road", "car", "sky"]) == {"road": 0.5, "car": 0.5}


def test_frames_add_up_to_one_matrix() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(masks([0, 0, 0]), masks([0, 0, 0]))
    matrix.update(masks([1]), masks([0]))
    assert matrix.iou.tolist() == [0.75, 0.0]


def test_nothing_but_void_is_no_score() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(masks([IGNORE]), masks([0]))
    assert math.isnan(matrix.miou)
    assert math.isnan(matrix.pixel_accuracy)


@pytest.mark.parametrize(
    ("truth", "guess", "words"),
    [
        (masks([0]), masks([0, 0]), "differ in size"),
        (masks([7]), masks([0]), "class id 7"),
        (masks([0]), masks([2]), "class id 2"),
    ],
)
def test_masks_that_do_not_fit(truth: np.ndarray, guess: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        ConfusionMatrix(2).update(truth, guess)
