"""Soak: many frames, to see that memory stays where it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from roadseg.benchmarks.latency import Progress, with_options
from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.workers import WorkerHandle
from roadseg.runtime.errors import RoadsegError

WARMUP = 20


def measure_soak(
    workers: Sequence[WorkerHandle], frames: int, progress: Progress, **about: Any
) -> Iterator[Row]:
    """Run `frames` frames on each worker in turn; give a row after each."""
    for number, worker in enumerate(workers, 1):
        progress(f"soak {number}/{len(workers)}: {frames} frames")
        worker.ask(run=WARMUP)
        yield soak_row(worker, worker.ask(soak=frames), frames, about)


def soak_row(
    worker: WorkerHandle, answer: dict[str, Any], frames: int, about: dict[str, Any]
) -> Row:
    """Make a row of what a worker answered to soak."""
    soak = {
        "rss_mb": [[number, round(rss, 2)] for number, rss in answer["rss_mb"]],
        "slope_mb_per_1000": round(slope_per_1000(answer["rss_mb"]), 3),
        "allocated_kb": round(answer["allocated_kb"], 1),
        "frame_kb": round(answer["frame_kb"], 1),
    }
    return Row(
        "soak",
        *worker.key,
        n=frames,
        warmup=WARMUP,
        memory_mb=max(rss for _, rss in soak["rss_mb"]),
        soak=soak,
        **with_options(worker, about),
    )


def slope_per_1000(rss_mb: Sequence[Sequence[float]]) -> float:
    """Return the least-squares slope of (frame, MB) pairs, in MB per 1000 frames.

    Raises RoadsegError when there are not two frames to draw it through.
    """
    if len({frame for frame, _ in rss_mb}) < 2:
        raise RoadsegError("too few frames to see memory grow: measure for longer")
    frame, rss = np.asarray(rss_mb, np.float64).T
    frame = frame - frame.mean()
    return float(frame @ (rss - rss.mean()) / (frame @ frame)) * 1000
