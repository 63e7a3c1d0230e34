"""Pseudo-labels (Lee, 2013): what a teacher is sure of becomes the label of an unlabelled frame."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from roadseg.runtime.spec import IGNORE

UNLABELLED = 254  # in a mask: a pixel of a frame without labels; losses take it for void


class PseudoLabels:
    """The confidence rule.

    least: (classes,) float32; a pixel gets its most probable class as a label where that is at
        least so probable, and stays void elsewhere.
    """

    def __init__(self, least: Tensor) -> None:
        self.least = least

    def apply(self, labels: Tensor, probabilities: Tensor) -> Tensor:
        """Return labels (N, H, W) uint8 in which UNLABELLED gave way to pseudo-labels or void.

        probabilities: the teacher's, (N, classes, h, w); brought to the labels' size.
        """
        frames = (labels == UNLABELLED).flatten(1).any(1)
        if not bool(frames.any()):
            return labels
        most, best = _full_size(probabilities[frames], labels).max(1)
        sure = most >= self.least.to(most.device)[best]
        found = torch.where(sure, best.to(torch.uint8), IGNORE)
        result = labels.clone()
        result[frames] = torch.where(labels[frames] == UNLABELLED, found, labels[frames])
        return result


def _full_size(probabilities: Tensor, labels: Tensor) -> Tensor:
    height, width = labels.shape[1:]
    return interpolate(probabilities, (height, width), mode="bilinear", align_corners=False)


def class_thresholds(seen: Iterable[Tensor], share: float, classes: int) -> Tensor:
    """Return by class the probability that `share` of its own pixels reach, (classes,) float32.

    A rare class, of which no network is as sure as of the road, keeps its share of pixels: the
    rule of CBST (Zou et al., 2018). A class that is never the most probable one needs 1.

    seen: a teacher's probabilities (N, classes, h, w) of some batches.
    """
    pairs = [probabilities.max(1) for probabilities in seen]
    most = torch.cat([values.flatten() for values, _ in pairs])
    best = torch.cat([places.flatten() for _, places in pairs])
    least = torch.ones(classes)
    for number in range(classes):
        own = most[best == number]
        if len(own):
            rank = min(len(own) - 1, int(share * len(own)))
            least[number] = own.sort(descending=True).values[rank]
    return least
