"""Latency: all configurations measured in turns, so that a noisy machine is unfair to none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.workers import WorkerHandle
from roadseg.runtime.sensors import Readings

ROUNDS = 10
# Frames at the start of a turn that do not count: caches and clocks are still the previous one's.
SETTLE = 2

Progress = Callable[[str], None]


def measure_latency(
    workers: Sequence[WorkerHandle], n: int, warmup: int, progress: Progress, **about: Any
) -> list[Row]:
    """Time n frames of each worker, in rounds (A B C A B C …); return a row for each.

    `about` has the rows' machine, versions and options.
    """
    for number, worker in enumerate(workers, 1):
        progress(f"warm-up {number}/{len(workers)}")
        worker.ask(run=warmup)
    turns = [len(turn) for turn in np.array_split(range(n), min(ROUNDS, n))]
    runs: list[list[dict[str, Any]]] = [[] for _ in workers]
    for number, frames in enumerate(turns, 1):
        progress(f"round {number}/{len(turns)}")
        for worker, run in zip(workers, runs, strict=True):
            worker.ask(run=SETTLE)
            run.append(worker.ask(run=frames))
    return [
        latency_row(worker, run, warmup, about) for worker, run in zip(workers, runs, strict=True)
    ]


def latency_row(
    worker: WorkerHandle, runs: Sequence[dict[str, Any]], warmup: int, about: dict[str, Any]
) -> Row:
    """Make a row of what a worker answered in each of its turns."""
    total_ms = np.concatenate([run["total_ns"] for run in runs]) / 1e6
    stages = {
        stage: float(np.median(np.concatenate([run["stages_ns"][stage] for run in runs]))) / 1e6
        for stage in runs[0]["stages_ns"]
    }
    return Row(
        "latency",
        *worker.key,
        n=len(total_ms),
        warmup=warmup,
        latency_ms=percentiles(total_ms),
        stages_ms={stage: round(value, 4) for stage, value in stages.items()},
        fps=round(float(len(total_ms) / (total_ms.sum() / 1e3)), 2),
        sensors=Readings.sum([run["sensors"] for run in runs]).figures(len(total_ms)),
        memory_mb=round(worker.ask(peak=True)["memory_mb"], 1),
        samples_ms=tuple(round(float(value), 3) for value in total_ms),
        **with_options(worker, about, rounds=len(runs)),
    )


def percentiles(samples: Any) -> dict[str, float]:
    """Return p50, p90, p99, min and max of milliseconds."""
    p50, p90, p99 = np.percentile(samples, (50, 90, 99))
    named = {"p50": p50, "p90": p90, "p99": p99, "min": np.min(samples), "max": np.max(samples)}
    return {name: round(float(value), 4) for name, value in named.items()}


def with_options(worker: WorkerHandle, about: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return `about` with its options extended by how this worker was run."""
    asked = worker.configuration
    options = {
        "threads": asked.threads,
        "frame_size": worker.about["frame_size"],
        "pixel_format": asked.pixel_format,
        "sha256": worker.about["sha256"],
        **asked.how_augmented(worker.about.get("passes", 1)),
        **more,
    }
    return {**about, "options": {**about.get("options", {}), **options}}
