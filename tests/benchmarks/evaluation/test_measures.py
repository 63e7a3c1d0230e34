"""Measures whose values are known by hand, and what does not count."""

from __future__ import annotations

import math

import numpy as np
import pytest

from roadseg.benchmarks.evaluation.augmentation import parse_scales
from roadseg.benchmarks.evaluation.boundary_iou import BoundaryIou
from roadseg.benchmarks.evaluation.interval import miou_interval
from roadseg.benchmarks.evaluation.precision_recall import PrecisionRecall
from roadseg.benchmarks.evaluation.worst_frames import WorstFrames
from roadseg.data import Sample
from roadseg.runtime.errors import UsageError
from roadseg.runtime.probabilities import probabilities
from roadseg.runtime.spec import IGNORE


def test_probabilities_are_a_softmax_of_any_size_of_logits() -> None:
    logits = np.array([[[900.0]], [[900.0 + np.log(3)]]], np.float32)
    found = probabilities(logits, 2, 3)
    assert found.shape == (2, 2, 3)
    np.testing.assert_allclose(found[:, 1, 2], [0.25, 0.75], atol=1e-4)


def test_a_curve_by_hand() -> None:
    curves = PrecisionRecall(2)
    truth = np.array([[0, 0, 1, IGNORE]], np.uint8)
    first = np.array([[1.0, 0.25, 0.5, 1.0]], np.float32)
    curves.update(truth, np.stack([first, 1 - first]))
    precision, recall = curves.curve(0)
    assert (recall[0], recall[65], recall[256]) == (1.0, 0.5, 0.5)
    assert (precision[0], precision[65], precision[256]) == (2 / 3, 0.5, 1.0)
    assert curves.average_precision(0) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert curves.counts.sum() == 6  # void is nowhere


def test_a_class_that_does_not_occur_has_no_area() -> None:
    curves = PrecisionRecall(2)
    curves.update(np.zeros((1, 2), np.uint8), np.full((2, 1, 2), 0.5, np.float32))
    assert math.isnan(curves.average_precision(1))


def test_the_memory_of_curves_does_not_grow_with_frames() -> None:
    curves = PrecisionRecall(3)
    for _ in range(3):
        curves.update(np.zeros((8, 8), np.uint8), np.full((3, 8, 8), 1 / 3, np.float32))
    assert curves.counts.shape == (3, 257, 2)


def test_the_outline_of_void_is_no_boundary() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[10:20, 10:20] = IGNORE
    measure = BoundaryIou(2)
    measure.update(truth, np.zeros_like(truth))
    assert measure.iou[0] == 1
    assert math.isnan(measure.iou[1])


def test_a_shifted_outline_costs_more_than_area() -> None:
    truth, guess = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    truth[20:80, 20:80] = 1
    guess[20:80, 22:82] = 1
    measure = BoundaryIou(2)
    measure.update(truth, guess)
    assert measure.iou[1] < 0.75 < 58 / 62


def drives(*shares: float) -> list[np.ndarray]:
    """A confusion matrix per drive, with this share of right pixels."""
    return [np.array([[share * 100, (1 - share) * 100], [0, 100]], np.int64) for share in shares]


def test_an_interval_holds_the_score_and_is_seeded() -> None:
    many = drives(*np.linspace(0.41, 0.97, 11) ** 1.3)
    found, again, other = (miou_interval(many, seed=seed) for seed in (0, 0, 1))
    assert found == again
    assert (found["low"], found["high"]) != (other["low"], other["high"])
    assert 0.4 < found["low"] < 0.75 < found["high"] < 0.95
    same = miou_interval(drives(0.8, 0.8, 0.8))
    assert same["low"] == same["high"]


def test_two_drives_have_no_interval() -> None:
    assert miou_interval(drives(0.5, 0.7)) == {}


def test_the_worst_frames_are_kept_in_order() -> None:
    worst = WorstFrames(2)
    for number, miou in enumerate([0.9, 0.2, math.nan, 0.5, 0.1]):
        worst.add(miou, Sample(f"f{number}", __file__, None, "d"))  # type: ignore[arg-type]
    assert [(frame["name"], frame["miou"]) for frame in worst.names()] == [("f4", 0.1), ("f1", 0.2)]


@pytest.mark.parametrize("word", ["flop", "0", "-1", "9", "nan", "inf"])
def test_augmentations_that_are_none(word: str) -> None:
    with pytest.raises(UsageError, match="give flip, and scales"):
        parse_scales(["flip", word])


def test_scales_are_taken_once() -> None:
    assert parse_scales(["0.5", "flip", "1", "0.5"]) == (0.5,)
