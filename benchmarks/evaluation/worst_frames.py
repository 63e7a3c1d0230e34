"""The worst frames of a data set, and a sheet of them to look at."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.data import Dataset, Sample
from roadseg.runtime.drawing import GAP, INK, PAPER, grid, legend, stack
from roadseg.runtime.images import write_png
from roadseg.runtime.overlay import overlay
from roadseg.runtime.spec import IGNORE, ClassInfo

Pixels = NDArray[np.uint8]
Segment = Callable[[Pixels, Pixels], tuple[Pixels, Pixels]]

WIDTH = 360  # of a picture
ALPHA = 0.6
VOID = (255, 255, 255)  # BGR
WRONG, RIGHT = (40, 40, 220), (90, 150, 60)
TITLE = 22  # height of a line above a frame


class WorstFrames:
    """Remembers the n frames with the lowest mIoU of their own; frames of void alone have none."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._heap: list[tuple[float, str, Sample]] = []

    def add(self, miou: float, sample: Sample) -> None:
        """Look at a frame."""
        if not self.n or math.isnan(miou):
            return
        entry = (-miou, sample.name, sample)
        if len(self._heap) < self.n:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    @property
    def frames(self) -> list[tuple[float, Sample]]:
        """Their mIoU and what they are, the worst first."""
        return [(-key, sample) for key, _, sample in sorted(self._heap, reverse=True)]

    def names(self) -> list[dict[str, str | float]]:
        """Return name, drive and mIoU of each, the worst first."""
        return [
            {"name": sample.name, "group": sample.group, "miou": round(miou, 6)}
            for miou, sample in self.frames
        ]


def write_worst(
    path: Path,
    worst: WorstFrames,
    dataset: Dataset,
    classes: Sequence[ClassInfo],
    segment: Segment,
) -> None:
    """Write a sheet (PNG), a frame a line: image, truth, prediction, and where they differ.

    segment: gives truth and prediction in the scored classes of an image and its mask.
    """
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes)] = [info.color[::-1] for info in classes]
    rows = []
    for miou, sample in worst.frames:
        image, mask = dataset.load(sample)
        truth, predicted = segment(image, mask)
        row = grid(_pictures(image, truth, predicted, palette), 4)
        drive = f"{sample.group}, " if sample.group else ""
        words = f"{sample.name}: {drive}mIoU {miou * 100:.1f} %"
        rows += [_title(words, row.shape[1]), row]
    bottom = legend(classes, rows[0].shape[1])
    write_png(path, stack([*rows, bottom]), level=6)


def _pictures(image: Pixels, truth: Pixels, predicted: Pixels, palette: Pixels) -> list[Pixels]:
    size = (WIDTH, max(1, round(image.shape[0] * WIDTH / image.shape[1])))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    picture = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), np.uint8)
    true, guess = (
        np.asarray(cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        for ids in (truth, predicted)
    )
    void = true == IGNORE
    painted = [
        overlay(picture, ids, palette, ALPHA, np.empty_like(picture)) for ids in (true, guess)
    ]
    painted[0][void] = VOID
    grey = np.repeat(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2)
    verdict = np.where((true == guess)[..., None], RIGHT, WRONG).astype(np.uint8)
    errors = np.asarray(cv2.addWeighted(grey, 1 - ALPHA, verdict, ALPHA, 0), np.uint8)
    errors[void] = VOID
    return [picture, *painted, errors]


def _title(words: str, width: int) -> Pixels:
    line = np.full((TITLE, width, 3), PAPER, np.uint8)
    place = (GAP, TITLE - 5)
    cv2.putText(line, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, lineType=cv2.LINE_AA)
    return line
