"""Scores: everything that is counted of one model over a data set, and the fields of its row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadseg.benchmarks.evaluation.boundary_iou import BoundaryIou
from roadseg.benchmarks.evaluation.interval import miou_interval
from roadseg.benchmarks.evaluation.precision_recall import PrecisionRecall
from roadseg.benchmarks.evaluation.worst_frames import WorstFrames
from roadseg.data import Sample
from roadseg.data.confusion import ConfusionMatrix

CURVE_POINTS = 65  # of a precision-recall curve in a row
DIGITS = 6


class Part:
    """The frames of one drive or of one condition."""

    def __init__(self, classes: int) -> None:
        self.matrix = ConfusionMatrix(classes)
        self.n = 0

    def add(self, counts: NDArray[np.int64]) -> None:
        """Add a frame's confusion matrix."""
        self.matrix.counts += counts
        self.n += 1


class Scores:
    """Counts of one model. Memory grows with drives and conditions, not with frames.

    names: of the classes, by id.
    detail: whether precision-recall curves and boundary IoU are counted too.
    worst: how many of the worst frames are remembered.
    """

    def __init__(self, names: Sequence[str], detail: bool = True, worst: int = 0) -> None:
        self.names = tuple(names)
        self.matrix = ConfusionMatrix(len(names))
        self.curves = PrecisionRecall(len(names)) if detail else None
        self.boundary = BoundaryIou(len(names)) if detail else None
        self.groups: dict[str, Part] = {}
        self.conditions: dict[str, Part] = {}
        self.worst = WorstFrames(worst)

    def update(
        self,
        sample: Sample,
        truth: NDArray[np.uint8],
        predicted: NDArray[np.uint8],
        probability: NDArray[np.float32] | None,
    ) -> None:
        """Add a frame: masks (H, W) of class ids, probability (classes, H, W) for the curves."""
        frame = ConfusionMatrix(len(self.names))
        frame.update(truth, predicted)
        self.matrix.counts += frame.counts
        if self.curves and probability is not None:
            self.curves.update(truth, probability)
        if self.boundary:
            self.boundary.update(truth, predicted)
        for parts, name in ((self.groups, sample.group), (self.conditions, sample.condition)):
            if name:
                parts.setdefault(name, Part(len(self.names))).add(frame.counts)
        self.worst.add(frame.miou, sample)

    def fields(self) -> dict[str, Any]:
        """Return the fields of a row; see Row."""
        return {
            "miou": round(self.matrix.miou, DIGITS),
            "iou": _rounded(self.matrix.iou_by_name(self.names)),
            "pixel_accuracy": round(self.matrix.pixel_accuracy, DIGITS),
            "groups": {name: part["miou"] for name, part in self._parts("group")},
            "class_scores": self._class_scores(),
            "confusion": {"classes": list(self.names), "counts": self.matrix.counts.tolist()},
            "curves": self._curves(),
            "parts": [part for by in ("group", "condition") for _, part in self._parts(by)],
            "interval": self._interval(),
            "worst": self.worst.names(),
        }

    def _class_scores(self) -> dict[str, dict[str, float]]:
        matrix = self.matrix
        measures = {"dice": matrix.dice, "precision": matrix.precision, "recall": matrix.recall}
        if self.curves:
            areas = map(self.curves.average_precision, range(len(self.names)))
            measures["average_precision"] = np.array(list(areas))
        if self.boundary:
            measures["boundary_iou"] = self.boundary.iou
        tables = {
            name: _finite((measure, values[number]) for measure, values in measures.items())
            for number, name in enumerate(self.names)
        }
        return {name: table for name, table in tables.items() if table}

    def _curves(self) -> dict[str, list[list[float]]]:
        """Return (recall, precision) at evenly spaced thresholds by class, high recall first."""
        if not self.curves:
            return {}
        found = {}
        for number, name in enumerate(self.names):
            precision, recall = self.curves.curve(number)
            if np.isfinite(recall).all():
                places = np.linspace(0, len(recall) - 1, CURVE_POINTS).round().astype(int)
                found[name] = np.round(np.c_[recall, precision][places], 4).tolist()
        return found

    def _parts(self, by: str) -> Iterable[tuple[str, dict[str, Any]]]:
        parts = self.groups if by == "group" else self.conditions
        for name, part in sorted(parts.items()):
            if part.matrix.counts.any():
                yield (
                    name,
                    {
                        "by": by,
                        "name": name,
                        "n": part.n,
                        "miou": round(part.matrix.miou, DIGITS),
                        "pixel_accuracy": round(part.matrix.pixel_accuracy, DIGITS),
                        "iou": _rounded(part.matrix.iou_by_name(self.names)),
                    },
                )

    def _interval(self) -> dict[str, Any]:
        matrices = [part.matrix.counts for _, part in sorted(self.groups.items())]
        return miou_interval([counts for counts in matrices if counts.any()])


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, DIGITS) for name, value in values.items()}


def _finite(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    return {name: round(float(value), DIGITS) for name, value in pairs if np.isfinite(value)}
