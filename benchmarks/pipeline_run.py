"""A camera's pipeline run for a while and watched, in a worker's process."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from collections.abc import Sequence
from typing import Any

from roadseg.benchmarks.cpu_clock import ClockedEngine, CpuClock
from roadseg.benchmarks.memory import peak_mb, resident_mb
from roadseg.runtime.engines.base import Engine
from roadseg.runtime.errors import SourceError, UsageError
from roadseg.runtime.ledger import Samples
from roadseg.runtime.pipeline import Pipeline
from roadseg.runtime.postprocess import open_stages
from roadseg.runtime.result import Result
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.sources import open_source
from roadseg.runtime.sources.query import hide_password

AGES = {"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9}
RSS_SAMPLES, LEAST_STEP_S = 200, 0.1  # reading it costs CPU time that would count
TRACED_FRAMES = 40
FILL_FRAMES, FILL_S = 5, 0.25


class Window:
    """The frames that count: those of `seconds` seconds, after `warmup_s` others.

    Percentiles are of the newest 8192 frames (Samples), so that watching takes no memory.
    """

    def __init__(self, engine: ClockedEngine, warmup_s: float, seconds: float) -> None:
        self._engine, self._begin_s = engine, time.monotonic() + warmup_s
        self._seconds, self._step_s = seconds, max(seconds / RSS_SAMPLES, LEAST_STEP_S)
        self._clock: CpuClock | None = None
        self.age, self.stages = Samples(), dict[str, Samples]()
        self.rss_mb: list[tuple[int, float]] = []
        self.cpu: dict[str, float] = {}
        self.took_s = 0.0

    def note(self, result: Result) -> bool:
        """Count a mask; returns whether it was the last."""
        now = time.monotonic()
        if now < self._begin_s:
            return False
        if self._clock is None:  # the first mask starts the clock, those after it count
            self._begin_s, self._clock = now, CpuClock(self._engine)
            return False
        self.age.add(result.age_ns)
        for name, spent in result.stages_ns.items():
            if name not in self.stages:
                self.stages[name] = Samples()
            self.stages[name].add(spent)
        self.took_s = now - self._begin_s
        if self.took_s >= len(self.rss_mb) * self._step_s:
            self.rss_mb.append((self.age.count, resident_mb()))
        if self.took_s < self._seconds:
            return False
        self.cpu = self._clock.spent()
        return True


def run_pipeline(
    engine: Engine, uri: str, warmup_s: float, seconds: float, post: Sequence[str] = ()
) -> dict[str, Any]:
    """Run a live source through an engine; return what a row of kind "pipeline" is made of.

    post: stages after the network, see open_stages.
    Raises UsageError for a source that is not live, SourceError when it ends too early.
    """
    clocked = ClockedEngine(engine)
    segmenter = Segmenter(clocked, open_stages(post, engine.spec.classes))
    with open_source(uri) as source:
        if not source.info.live:
            raise UsageError(
                f"{hide_password(uri)} is no camera: add live=1 to synthetic:, or name a live "
                "source"
            )
        pipeline = Pipeline(source, segmenter)
        window = Window(clocked, warmup_s, seconds)
        with contextlib.closing(pipeline.results()) as results:
            ended = any(window.note(result) for result in results)
    if not ended:
        raise SourceError(f"{hide_password(uri)} ended before {seconds:g} s were measured")
    ledger = pipeline.ledger
    counts = {name: getattr(ledger, name) for name in ("captured", *ACCOUNTED)}
    return {
        "n": window.age.count,
        "seconds": window.took_s,
        "age_ms": {name: window.age.percentile(share) for name, share in AGES.items()}
        | {"max": window.age.max},
        "stages_ms": {name: one.percentile(50) for name, one in window.stages.items()},
        "ledger": {**counts, "unexplained": ledger.captured - sum(counts[n] for n in ACCOUNTED)},
        "cpu": window.cpu,
        "rss_mb": window.rss_mb,
        "memory_mb": peak_mb(),
        "frame_size": f"{source.info.width}x{source.info.height}",
    }


ACCOUNTED = ("shown", "dropped", "stale", "corrupt")


def pipeline_allocated_kb(engine: Engine, uri: str) -> float:
    """Return the most that all threads of a pipeline allocated between frames, in KiB."""
    with open_source(uri) as source:
        with contextlib.closing(Pipeline(source, Segmenter(engine)).results()) as results:
            tracemalloc.start()
            try:
                for number, _ in zip(range(TRACED_FRAMES), results, strict=False):
                    # Queues fill, so that as many buffers are made as there can be. Tracing itself
                    # allocates at first too (caches of line numbers).
                    time.sleep(FILL_S if number < FILL_FRAMES else 0)
                before = tracemalloc.get_traced_memory()[0]
                tracemalloc.reset_peak()
                for _ in zip(range(TRACED_FRAMES), results, strict=False):
                    """Count."""
                return (tracemalloc.get_traced_memory()[1] - before) / 1024
            finally:
                tracemalloc.stop()
