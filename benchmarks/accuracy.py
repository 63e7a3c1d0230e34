"""Accuracy: masks of a data set's frames against its labels, all models in one pass."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roadseg.benchmarks.configuration import Configuration
from roadseg.benchmarks.evaluation.scores import Scores
from roadseg.benchmarks.evaluation.task import DRIVABLE, Reduction, reduce_data, reduce_model
from roadseg.benchmarks.evaluation.worst_frames import write_worst
from roadseg.benchmarks.rows import Row
from roadseg.runtime.classical import is_classical
from roadseg.runtime.errors import DataError, ModelError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.probabilities import probabilities
from roadseg.runtime.progress_line import Progress
from roadseg.runtime.segmenter import Segmenter

if TYPE_CHECKING:
    from roadseg.data import Dataset, Sample

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class AccuracyOptions:
    """How models are scored.

    label_map: label maps from the classes of models or data to those that are scored.
    detail: count precision-recall curves and boundary IoU too.
    worst: frames on the sheet of the worst.
    out: folder for those sheets.
    """

    label_map: tuple[str, ...] = ()
    detail: bool = True
    worst: int = 0
    out: Path = Path()


class Scorer:
    """One configuration, and the scores of what it has seen."""

    def __init__(
        self, configuration: Configuration, data: Reduction, options: AccuracyOptions
    ) -> None:
        self.configuration, self.options, self.data = configuration, options, data
        self.engine = configuration.open_engine()
        classes = self.engine.spec.classes
        try:
            self.model = reduce_model(configuration.model, classes, data.classes, options.label_map)
        except DataError:
            self.engine.close()
            raise
        self.segmenter = Segmenter(self.engine)
        names = [info.name for info in data.classes]
        self.scores = Scores(names, options.detail, options.worst)

    def update(self, sample: Sample, image: Pixels, mask: Pixels) -> None:
        """Segment a frame (RGB) and count it; raises ModelError for logits of NaN."""
        segmented = self.segmenter(_frame(image, sample.name))
        if not np.isfinite(segmented.logits).all():
            raise ModelError(
                f"{self.configuration.model} on {self.engine.name}: its logits of {sample.name} "
                "are no finite numbers: it cannot be scored"
            )
        probability = None
        if self.options.detail:
            given = probabilities(segmented.logits, *mask.shape)
            probability = self.model.probabilities(given)
        self.scores.update(sample, self.data.ids[mask], self.model.ids[segmented.mask], probability)

    def segment(self, image: Pixels, mask: Pixels) -> tuple[Pixels, Pixels]:
        """Return the truth and the prediction of a frame in the scored classes."""
        return self.data.ids[mask], self.model.ids[self.segmenter(_frame(image, "")).mask]

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What makes two scorers the same."""
        engine = self.engine
        return (self.configuration.model, engine.name, engine.width, engine.height)

    def row(self, n: int, about: dict[str, Any]) -> Row:
        """Make the row of what was counted."""
        asked, engine = self.configuration, self.engine
        options: dict[str, Any] = {"threads": asked.threads, "sha256": asked.sha256}
        options |= asked.how_augmented(getattr(engine, "passes", 1))
        if self.options.label_map:
            options["label_map"] = list(self.options.label_map)
        about = {**about, "options": {**about.get("options", {}), **options}}
        names = (asked.model, engine.name, engine.spec.precision, engine.width, engine.height)
        values: dict[str, Any] = {"n": n, **self.scores.fields(), **about}
        return Row("accuracy", *names, **values)

    def write_worst(self, dataset: Dataset, alone: bool) -> Path | None:
        """Write worst-MODEL.png; its name has engine and size unless the model is `alone`."""
        if not self.scores.worst.frames:
            return None
        model, engine, width, height = self.key
        parts = ["worst", model] if alone else ["worst", model, engine, f"{width}x{height}"]
        name = "-".join(parts).replace("/", "_").replace(":", "-")
        path = self.options.out / f"{name}.png"
        write_worst(path, self.scores.worst, dataset, self.data.classes, self.segment)
        return path


def _frame(image: Pixels, name: str) -> Frame:
    return Frame(image, PixelFormat.RGB, time.monotonic_ns(), 0, name)


def measure_accuracy(
    configurations: Sequence[Configuration],
    dataset: Dataset,
    progress: Progress,
    how: AccuracyOptions | None = None,
    **about: Any,
) -> list[Row]:
    """Score all configurations in one pass over a data set; return a row for each.

    `about` has machine, versions and options of rows. Raises DataError when the classes differ and
    no label map joins them, when there is no frame, or nothing but void.
    """
    samples = dataset.samples
    if not samples:
        raise DataError("--data: the split has no frames")
    chosen = how or AccuracyOptions()
    data = reduce_data(dataset.classes, chosen.label_map)
    with _open_scorers(configurations, data, chosen) as scorers:
        progress.restart()
        for number, sample in enumerate(samples):
            image, mask = dataset.load(sample)
            for scorer in scorers:
                scorer.update(sample, image, mask)
            progress.count(number + 1, len(samples), "frames scored")
        if not scorers[0].scores.matrix.counts.any():
            raise DataError("--data: no pixel of the split has a class, all are void")
        models = [scorer.configuration.model for scorer in scorers]
        for scorer in scorers:
            scorer.write_worst(dataset, models.count(scorer.configuration.model) == 1)
        return [scorer.row(len(samples), about) for scorer in scorers]


def choose_label_map(models: Sequence[str], asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the label maps to score with.

    A classical baseline tells the road from the rest and nothing more: with one of them among the
    models all are scored on that, unless a map was asked for.
    """
    if not asked and any(map(is_classical, models)):
        return (DRIVABLE,)
    return asked


@contextmanager
def _open_scorers(
    configurations: Sequence[Configuration], data: Reduction, options: AccuracyOptions
) -> Iterator[list[Scorer]]:
    scorers: list[Scorer] = []
    try:
        for configuration in configurations:
            scorers.append(Scorer(configuration, data, options))
        yield list({scorer.key: scorer for scorer in reversed(scorers)}.values())[::-1]
    finally:
        for scorer in scorers:
            scorer.engine.close()
