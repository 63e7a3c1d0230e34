"""How close an artefact is to the one before it, and to the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadseg.calibration.frames import LabelledFrame
from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.engines import open_engine
from roadseg.runtime.options import Size
from roadseg.runtime.segmenter import Segmenter

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Score:
    """What an artefact does on some frames, beside the reference.

    miou: percent, None without labels.
    agreement: percent of pixels that have the reference's class.
    snr_db: signal to noise at the logits, the reference being the signal.
    """

    miou: float | None
    agreement: float
    snr_db: float


def snr_db(signal: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the signal-to-noise ratio in decibels; infinite for equal arrays."""
    real = signal.astype(np.float64)
    noise = float(np.square(real - other).sum())
    return float("inf") if noise == 0 else 10 * float(np.log10(np.square(real).sum() / noise))


def score(
    paths: Mapping[str, Path], frames: Sequence[LabelledFrame], size: Size, engine: str
) -> dict[str, Score]:
    """Run artefacts side by side on frames; the first of them is the reference."""
    runs = {name: _Run(path, size, engine) for name, path in paths.items()}
    reference = next(iter(runs.values()))
    for each in frames:
        for run in runs.values():
            run.take(each, reference)
    return {name: run.score() for name, run in runs.items()}


class _Run:
    """One artefact: what it gave for the last frame, and sums over all."""

    def __init__(self, path: Path, size: Size, engine: str) -> None:
        self.engine = open_engine(path, engine, size)
        self.segmenter = Segmenter(self.engine)
        self.matrix = ConfusionMatrix(len(self.engine.spec.classes))
        self.mask: Pixels = np.empty((0, 0), np.uint8)
        self.logits: NDArray[np.float32] = np.empty(0, np.float32)
        self.signal = self.noise = 0.0
        self.same = self.pixels = 0

    def take(self, labelled: LabelledFrame, reference: _Run) -> None:
        segmented = self.segmenter(labelled.frame)
        self.mask, self.logits = segmented.mask, segmented.logits
        if labelled.truth is not None:
            self.matrix.update(labelled.truth, self.mask)
        self.same += int((self.mask == reference.mask).sum())
        self.pixels += self.mask.size
        expected = reference.logits.astype(np.float64)
        self.signal += float(np.square(expected).sum())
        self.noise += float(np.square(expected - self.logits).sum())

    def score(self) -> Score:
        ratio = 10 * float(np.log10(self.signal / self.noise)) if self.noise else float("inf")
        miou = 100 * self.matrix.miou if self.matrix.counts.any() else None
        return Score(miou, 100 * self.same / self.pixels, ratio)
