"""Constants for a network's logits under which mIoU is highest, found on some of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.errors import DataError
from roadseg.runtime.progress_line import Progress
from roadseg.runtime.spec import IGNORE, ModelSpec
from roadseg.train.evaluation import full_logits
from roadseg.train.labels import LabelledImages
from roadseg.train.networks import Network

PIXELS = 1000  # of an image
STEPS = (4.0, 2.0, 1.0, 0.5, 0.25)  # of a bias, in logits
GAIN = 1e-6  # of mIoU that a step must bring: a sum may differ by rounding alone
ROUNDS = 4  # through the classes with each step, at most

Biases = NDArray[np.float32]


@dataclass(frozen=True)
class Sampled:
    """Pixels of a data set, with what a network says of them.

    name: of the data set.
    logits: (classes, N).
    labels: (N,), as the data set has them.
    to_label: (classes,): its label of each class; `known` are those that count.
    """

    name: str
    logits: NDArray[np.float32]
    labels: NDArray[np.uint8]
    to_label: NDArray[np.uint8]
    known: NDArray[np.int64]

    def miou(self, biases: Biases) -> float:
        """Return the mIoU, 0 to 1, with these biases added, (classes,)."""
        matrix = ConfusionMatrix(int(max(*self.to_label, *self.known)) + 1)
        matrix.update(self.labels, self.to_label[_winners(self.logits, biases)])
        return float(np.nanmean(matrix.iou[self.known]))


def _winners(logits: NDArray[np.float32], biases: Biases) -> NDArray[np.uint8]:
    """Return the class of the largest sum in each column, (N,)."""
    best = logits[0] + biases[0]
    winners = np.zeros(best.shape, np.uint8)
    for place in range(1, len(logits)):
        other = logits[place] + biases[place]
        winners[other > best] = place
        np.maximum(best, other, out=best)
    return winners


def fit_biases(samples: Sequence[Sampled]) -> Biases:
    """Return the biases, (classes,), under which the mean mIoU of the samples is the highest found.

    One class's bias at a time, up or down by a step while that helps, then by a smaller step.
    """
    biases = np.zeros(len(samples[0].logits), np.float32)
    best = mean_miou(samples, biases)
    for step in STEPS:
        for _ in range(ROUNDS):
            before = best
            for place in range(len(biases)):
                biases, best = _moved(samples, biases, best, place, step)
            if best == before:
                break
    return biases


def _moved(
    samples: Sequence[Sampled], biases: Biases, best: float, place: int, step: float
) -> tuple[Biases, float]:
    """Return the better of the biases as they are and with one of them moved, and its mean mIoU."""
    for signed in (step, -step):
        tried = biases.copy()
        tried[place] += signed
        found = mean_miou(samples, tried)
        if found > best + GAIN:
            return tried, found
    return biases, best


def mean_miou(samples: Sequence[Sampled], biases: Biases) -> float:
    """Return the mean over data sets of the mIoU, 0 to 1."""
    return float(np.mean([sample.miou(biases) for sample in samples]))


def sample_pixels(
    network: Network, spec: ModelSpec, images: LabelledImages, most: int, purpose: str
) -> Sampled:
    """Return the logits and labels of some labelled pixels in up to `most` images.

    Raises DataError when no pixel has a label.
    """
    random, progress = np.random.default_rng(0), Progress()
    places = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).astype(int))
    logits, labels = [], []
    for done, place in enumerate(places, 1):
        image, mask = images[int(place)]
        seen = np.flatnonzero(mask != IGNORE)
        if len(seen):
            chosen = random.choice(seen, PIXELS)
            logits.append(full_logits(network, spec, image).flatten(1)[:, chosen].numpy())
            labels.append(mask.ravel()[chosen])
        progress.count(done, len(places), f"{images.dataset.name} images to {purpose}")
    progress.clear()
    name, classes = images.dataset.name, images.classes
    if not labels:
        raise DataError(f"{name}: no pixel has a label to {purpose}")
    whole = np.concatenate(logits, 1), np.concatenate(labels)
    return Sampled(name, *whole, classes.label_of_class(), classes.known)
