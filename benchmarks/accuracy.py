"""Accuracy: masks of a data set's frames against its labels, one confusion matrix each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roadseg.benchmarks.configuration import Configuration
from roadseg.benchmarks.progress import Progress
from roadseg.benchmarks.rows import Row
from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.engines import open_engine
from roadseg.runtime.errors import DataError
from roadseg.runtime.files import sha256
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.spec import IGNORE

if TYPE_CHECKING:
    from roadseg.data import Dataset


class Scorer:
    """One configuration, and the confusion matrices of what it has seen."""

    def __init__(self, configuration: Configuration, class_names: Sequence[str]) -> None:
        self.configuration = configuration
        self.engine = open_engine(
            configuration.path,
            configuration.engine,
            size=configuration.size,
            threads=configuration.threads,
        )
        names = self.engine.spec.class_names
        self.ids = class_ids(configuration.model, names, class_names)
        self.segmenter = Segmenter(self.engine)
        self.matrix = ConfusionMatrix(len(names))
        self.groups: dict[str, ConfusionMatrix] = {}

    def update(self, frame: Frame, truth: NDArray[np.uint8], group: str) -> None:
        """Segment a frame and count it."""
        matrix = ConfusionMatrix(self.matrix.classes)
        matrix.update(self.ids[truth], self.segmenter(frame).mask)
        self.matrix.counts += matrix.counts
        if group:
            self.groups.setdefault(group, ConfusionMatrix(matrix.classes)).counts += matrix.counts

    def row(self, n: int, about: dict[str, Any]) -> Row:
        """Make the row of what was counted."""
        asked, spec = self.configuration, self.engine.spec
        options = {"threads": asked.threads, "sha256": sha256(asked.path)}
        return Row(
            "accuracy",
            *(asked.model, self.engine.name, spec.precision),
            *(self.engine.width, self.engine.height),
            n=n,
            miou=round(self.matrix.miou, 6),
            iou=_rounded(self.matrix.iou_by_name(spec.class_names)),
            pixel_accuracy=round(self.matrix.pixel_accuracy, 6),
            groups=_rounded(
                {name: one.miou for name, one in self.groups.items() if one.counts.any()}
            ),
            **{**about, "options": {**about.get("options", {}), **options}},
        )


def measure_accuracy(
    configurations: Sequence[Configuration], dataset: Dataset, progress: Progress, **about: Any
) -> list[Row]:
    """Score all configurations in one pass over a data set; return a row for each.

    Raises DataError when the classes differ, when there is no frame, or nothing but void.
    """
    samples = dataset.samples
    if not samples:
        raise DataError("--data: the split has no frames")
    with _open_scorers(configurations, [info.name for info in dataset.classes]) as scorers:
        progress.restart()
        for number, sample in enumerate(samples):
            image, truth = dataset.load(sample)
            frame = Frame(image, PixelFormat.RGB, time.monotonic_ns(), number, sample.name)
            for scorer in scorers:
                scorer.update(frame, truth, sample.group)
            progress.count(number + 1, len(samples), "frames scored")
        if not scorers[0].matrix.counts.any():
            raise DataError("--data: no pixel of the split has a class, all are void")
        return [scorer.row(len(samples), about) for scorer in scorers]


@contextmanager
def _open_scorers(
    configurations: Sequence[Configuration], class_names: Sequence[str]
) -> Iterator[list[Scorer]]:
    scorers: list[Scorer] = []
    try:
        for configuration in configurations:
            scorers.append(Scorer(configuration, class_names))
        yield list({_key(scorer): scorer for scorer in reversed(scorers)}.values())[::-1]
    finally:
        for scorer in scorers:
            scorer.engine.close()


def _key(scorer: Scorer) -> tuple[str, str, int, int]:
    engine = scorer.engine
    return (scorer.configuration.model, engine.name, engine.width, engine.height)


def class_ids(model: str, wanted: Sequence[str], given: Sequence[str]) -> NDArray[np.uint8]:
    """Return the model's class id by the data set's (256,); void stays void.

    Raises DataError with the names that only one of them has.
    """
    if set(wanted) != set(given):
        parts = [
            f"only the {owner} has {', '.join(name for name in names if name not in others)}"
            for owner, names, others in (("model", wanted, given), ("data", given, wanted))
            if set(names) - set(others)
        ]
        raise DataError(f"--data: its classes are not those of {model}: {'; '.join(parts)}")
    ids = np.full(256, IGNORE, np.uint8)
    ids[: len(given)] = [list(wanted).index(name) for name in given]
    return ids


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}
