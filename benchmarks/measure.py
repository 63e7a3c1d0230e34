"""One session: latency and soak in workers, then accuracy where there is data."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadseg.benchmarks.configuration import Configuration
from roadseg.benchmarks.latency import measure_latency
from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.soak import measure_soak
from roadseg.benchmarks.workers import WorkerHandle, open_workers
from roadseg.runtime.progress_line import Progress

if TYPE_CHECKING:
    from roadseg.benchmarks.cli import BenchOptions
    from roadseg.data import Dataset


def measure(
    configurations: Sequence[Configuration], options: BenchOptions, about: dict[str, Any]
) -> Iterator[Row]:
    """Measure all that the options ask for; `about` has machine, versions and options of rows.

    Rows come as soon as they are measured: what fails later does not take them away.
    """
    progress = Progress()
    # Before anything is measured: data that does not fit should not cost a measurement.
    dataset = _open_data(options) if options.data else None
    try:
        with open_workers(configurations) as workers:
            if dataset:
                _check_classes(workers, dataset, _label_map(configurations, options))
            yield from measure_latency(workers, options.n, options.warmup, progress, **about)
            if options.soak:
                yield from measure_soak(workers, options.soak, progress, **about)
        if dataset:
            yield from _score(configurations, dataset, options, progress, about)
    finally:
        progress.clear()


def _open_data(options: BenchOptions) -> Dataset:
    from roadseg.data import open_dataset

    return open_dataset(options.data, options.split)


def _label_map(configurations: Sequence[Configuration], options: BenchOptions) -> tuple[str, ...]:
    from roadseg.benchmarks.accuracy import choose_label_map

    return choose_label_map([one.path for one in configurations], options.label_map)


def _check_classes(
    workers: Sequence[WorkerHandle], dataset: Dataset, label_map: tuple[str, ...]
) -> None:
    """Raise DataError when a model cannot be scored on the data set."""
    from roadseg.benchmarks.evaluation.task import reduce_data, reduce_model

    scored = reduce_data(dataset.classes, label_map).classes
    for worker in workers:
        reduce_model(worker.configuration.model, worker.classes, scored, label_map)


def _score(
    configurations: Sequence[Configuration],
    dataset: Dataset,
    options: BenchOptions,
    progress: Progress,
    about: dict[str, Any],
) -> list[Row]:
    from roadseg.benchmarks.accuracy import AccuracyOptions, measure_accuracy

    how = AccuracyOptions(
        _label_map(configurations, options),
        *(options.detail, options.worst, Path(options.out)),
    )
    if how.label_map != options.label_map:
        print(
            "seg-bench: a classical baseline knows road and other alone: all are scored on these",
            file=sys.stderr,
        )
    scored = {**about["options"], "data": options.data, "split": options.split}
    return measure_accuracy(configurations, dataset, progress, how, **{**about, "options": scored})
