"""When a run validates, and what it finds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.spec import ModelSpec
from roadseg.train.batches import Batches
from roadseg.train.evaluation import evaluate_each, label_iou, total
from roadseg.train.labels import LabelledImages
from roadseg.train.networks import Network
from roadseg.train.options import TrainOptions

VALIDATION_SHARE = 0.1  # of the time, at most
STEP_COST = 3  # of training with a pixel, in validations of one


class Validation:
    """The data sets that a run validates on.

    images: of the first, whose mIoU chooses the best epoch.
    others: scored in what their own masks tell apart.
    """

    def __init__(self, parts: Sequence[LabelledImages]) -> None:
        self.images, *self.others = parts

    def interval(self, options: TrainOptions, spec: ModelSpec, batches: Batches) -> int:
        """Return the epochs between validations."""
        if options.evaluate_every:
            return options.evaluate_every
        crop = options.crop
        trained = len(batches) * batches.batch_size * crop.width * crop.height * STEP_COST
        images = len(self.images) + sum(map(len, self.others))
        return max(1, math.ceil(images * spec.width * spec.height / trained / VALIDATION_SHARE))

    def score(
        self, network: Network, spec: ModelSpec
    ) -> tuple[dict[str, Any], list[ConfusionMatrix]]:
        """Return the scores, 0 to 1, and the confusion matrix of each of `images`."""
        matrices = evaluate_each(network, spec, self.images)
        row = scores(total(matrices, len(spec.classes)), spec)
        others = {}
        for part in self.others:
            miou, iou = label_iou(network, spec, part)
            others[part.dataset.name] = {"miou": miou, "iou": iou}
        return row | ({"others": others} if others else {}), matrices


def scores(matrix: ConfusionMatrix, spec: ModelSpec) -> dict[str, Any]:
    """Return a confusion matrix's scores, 0 to 1."""
    return {
        "miou": matrix.miou,
        "pixel_accuracy": matrix.pixel_accuracy,
        "iou": matrix.iou_by_name(spec.class_names),
    }


def spec_metrics(row: dict[str, Any]) -> dict[str, float]:
    """Return an epoch's scores as a spec has them, in percent."""
    metrics = {"miou_val": row["miou"], "pixel_accuracy_val": row["pixel_accuracy"]}
    return {name: round(100 * value, 2) for name, value in metrics.items()}
