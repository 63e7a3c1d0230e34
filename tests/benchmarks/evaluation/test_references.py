"""The same masks and probabilities, scored by the packages that others measure with."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from roadseg.benchmarks.evaluation.boundary_iou import BoundaryIou, boundary
from roadseg.benchmarks.evaluation.precision_recall import BINS, PrecisionRecall
from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.decode import decode
from roadseg.runtime.probabilities import probabilities
from roadseg.runtime.spec import IGNORE

CLASSES, FRAMES, HEIGHT, WIDTH = 4, 3, 48, 64

Frames = list[tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]]


@pytest.fixture(scope="module")
def frames() -> Frames:
    """Truth, prediction and probability of frames: blobs of classes, some void, some wrong."""
    random = np.random.default_rng(3)
    made = []
    for _ in range(FRAMES):
        logits = random.normal(0, 2, (CLASSES, HEIGHT // 8, WIDTH // 8)).astype(np.float32)
        mask = decode(logits, np.empty((HEIGHT, WIDTH), np.uint8)).copy()
        noisy = logits + random.normal(0, 1.5, logits.shape).astype(np.float32)
        truth = decode(noisy, np.empty((HEIGHT, WIDTH), np.uint8)).copy()
        truth[random.random(truth.shape) < 0.05] = IGNORE
        made.append((truth, mask, probabilities(logits, HEIGHT, WIDTH)))
    return made


@pytest.fixture(scope="module")
def matrix(frames: Frames) -> ConfusionMatrix:
    found = ConfusionMatrix(CLASSES)
    for truth, mask, _ in frames:
        found.update(truth, mask)
    return found


def joined(frames: Frames) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    """All pixels that have a class: truth (N,), prediction (N,), probability (classes, N)."""
    truth = np.concatenate([one[0].ravel() for one in frames])
    mask = np.concatenate([one[1].ravel() for one in frames])
    probability = np.concatenate([one[2].reshape(CLASSES, -1) for one in frames], axis=1)
    seen = truth != IGNORE
    return truth[seen], mask[seen], probability[:, seen]


def curves_of(frames: Frames) -> PrecisionRecall:
    curves = PrecisionRecall(CLASSES)
    for truth, _, probability in frames:
        curves.update(truth, probability)
    return curves


def test_masks_as_scikit_learn(frames: Frames, matrix: ConfusionMatrix) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    truth, mask, _ = joined(frames)
    assert matrix.counts.tolist() == metrics.confusion_matrix(truth, mask).tolist()
    assert matrix.pixel_accuracy == pytest.approx(metrics.accuracy_score(truth, mask))
    precision, recall, dice, _ = metrics.precision_recall_fscore_support(truth, mask)
    np.testing.assert_allclose(matrix.precision, precision)
    np.testing.assert_allclose(matrix.recall, recall)
    np.testing.assert_allclose(matrix.dice, dice)
    np.testing.assert_allclose(matrix.iou, metrics.jaccard_score(truth, mask, average=None))


def test_curves_as_scikit_learn(frames: Frames) -> None:
    """Exact where scikit-learn sees the same bins; near where it sees every probability."""
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    curves = curves_of(frames)
    truth, _, probability = joined(frames)
    for number in range(CLASSES):
        binned = np.floor(probability[number] * BINS) / BINS
        area = curves.average_precision(number)
        mine = truth == number
        assert area == pytest.approx(metrics.average_precision_score(mine, binned), abs=1e-9)
        exact = metrics.average_precision_score(mine, probability[number])
        assert area == pytest.approx(exact, abs=0.01)
        precision, recall, thresholds = metrics.precision_recall_curve(mine, binned)
        places = np.round(thresholds * BINS).astype(int)
        found = curves.curve(number)
        np.testing.assert_allclose(found[0][places], precision[:-1])
        np.testing.assert_allclose(found[1][places], recall[:-1])


def test_all_as_torchmetrics(frames: Frames, matrix: ConfusionMatrix) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = pytest.importorskip(
            "torchmetrics.classification", reason="torchmetrics is not installed"
        )
    truth, mask, probability = (torch.from_numpy(part.copy()) for part in joined(frames))
    about = {"num_classes": CLASSES, "average": "none"}
    for found, kind in (
        (matrix.iou, metrics.MulticlassJaccardIndex),
        (matrix.dice, metrics.MulticlassF1Score),
        (matrix.recall, metrics.MulticlassRecall),
        (matrix.precision, metrics.MulticlassPrecision),
    ):
        np.testing.assert_allclose(found, kind(**about)(mask, truth).numpy(), atol=1e-6)
    thresholds = torch.linspace(0, 1, BINS + 1)
    area = metrics.MulticlassAveragePrecision(**about, thresholds=thresholds)
    curves = curves_of(frames)
    areas = [curves.average_precision(number) for number in range(CLASSES)]
    np.testing.assert_allclose(areas, area(probability.T, truth.long()).numpy(), atol=1e-5)


def test_iou_as_cityscapes(matrix: ConfusionMatrix) -> None:
    """Its own evaluation, of a matrix with our counts in the place of some of its labels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cityscapes = pytest.importorskip(
            "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling",
            reason="cityscapesScripts is not installed",
        )
    labels = [cityscapes.name2label[name] for name in ("road", "sidewalk", "car", "sky")]
    ids = [label.id for label in labels]
    theirs = np.zeros((256, 256), np.int64)
    theirs[np.ix_(ids, ids)] = matrix.counts
    arguments = cityscapes.args
    arguments.evalLabels = ids
    scores = {
        label.name: cityscapes.getIouScoreForLabel(label.id, theirs, arguments) for label in labels
    }
    np.testing.assert_allclose(matrix.iou, list(scores.values()))
    assert matrix.miou == pytest.approx(cityscapes.getScoreAverage(scores, arguments))


def reference_boundary(mask: NDArray[np.uint8], ratio: float) -> NDArray[np.uint8]:
    """The band as Cheng et al. publish it: a border of zeros, eroded 3 x 3 again and again."""
    import cv2

    height, width = mask.shape
    distance = max(1, round(ratio * float(np.sqrt(height**2 + width**2))))
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)
    return np.asarray(mask - eroded[1:-1, 1:-1], np.uint8)


@pytest.mark.parametrize("ratio", [0.001, 0.02, 0.08])
def test_boundaries_as_their_authors_draw_them(frames: Frames, ratio: float) -> None:
    for truth, _, _ in frames:
        for number in range(CLASSES):
            mask = (truth == number).astype(np.uint8)
            np.testing.assert_array_equal(boundary(mask, ratio), reference_boundary(mask, ratio))


def test_boundary_iou_as_its_authors(frames: Frames) -> None:
    measure = BoundaryIou(CLASSES)
    both, either = np.zeros(CLASSES), np.zeros(CLASSES)
    for truth, mask, _ in frames:
        whole = np.where(truth == IGNORE, 0, truth).astype(np.uint8)
        measure.update(whole, mask)
        for number in range(CLASSES):
            true, guess = (
                reference_boundary((ids == number).astype(np.uint8), 0.02) for ids in (whole, mask)
            )
            both[number] += (true & guess).sum()
            either[number] += (true | guess).sum()
    np.testing.assert_allclose(measure.iou, both / either)
