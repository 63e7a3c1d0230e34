"""Pseudo-labels (Lee, 2013): what a teacher is sure of becomes the label of an unlabelled frame."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from roadseg.runtime.spec import IGNORE

UNLABELLED = 254  # in a mask: a pixel of a frame without labels; losses take it for void


class PseudoLabels:
    """The confidence rule.

    One number for all classes. Thresholds by class that keep the same share of each (CBST, Zou et
    al., 2018) gave more labels of thin classes, most of them wrong (docs/better-without-labels.md).

    confidence: a pixel gets its most probable class as a label where that is at least so probable,
        and stays void elsewhere.
    """

    def __init__(self, confidence: float) -> None:
        self.confidence = confidence

    def apply(self, labels: Tensor, probabilities: Tensor) -> Tensor:
        """Return labels (N, H, W) uint8 in which UNLABELLED gave way to pseudo-labels or void.

        probabilities: the teacher's, (N, classes, h, w); brought to the labels' size.
        """
        frames = (labels == UNLABELLED).flatten(1).any(1)
        if not bool(frames.any()):
            return labels
        most, best = _full_size(probabilities[frames], labels).max(1)
        sure = most >= self.confidence
        found = torch.where(sure, best.to(torch.uint8), IGNORE)
        result = labels.clone()
        result[frames] = torch.where(labels[frames] == UNLABELLED, found, labels[frames])
        return result


def _full_size(probabilities: Tensor, labels: Tensor) -> Tensor:
    height, width = labels.shape[1:]
    return interpolate(probabilities, (height, width), mode="bilinear", align_corners=False)
