"""seg-bench pipeline: a camera to masks, at the camera's pace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from roadseg.benchmarks.ending import collect, finish
from roadseg.benchmarks.gates import Share
from roadseg.benchmarks.outputs import Outputs
from roadseg.benchmarks.rows import Row
from roadseg.benchmarks.session import SessionOptions
from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import Size, parse_options

FRAME_SIZE = Size(1280, 720)


@dataclass(frozen=True)
class PipelineOptions(SessionOptions):
    """Measure models behind a live camera, from capture to mask: seg-bench pipeline [MODELS…].

    frame_size: of the synthetic camera's frames.
    format: its pixel formats: NV12, YUYV, BGR.
    rate: its frames a second.
    source: a live source instead, such as camera:0; its size, format and rate are its own.
    post: stages after the network, as of seg-run, such as area:64,polygon; each is timed.
    seconds: that are measured, after two that are not.
    soak_minutes: run a camera that never waits for so long too, and watch memory.
    min_fps: gate: masks a second.
    max_p99: gate: p99 of the age in milliseconds.
    max_outside: gate: share of CPU time outside the engine, such as 10%.
    max_growth: gate: growth of memory in MB per 1000 frames (needs --soak-minutes).
    compare: gate: rows of an earlier run; older masks or more memory than there, or not measured
        again, is missed.
    tolerance: how much older or larger than the earlier run is still the same.
    """

    frame_size: Size = FRAME_SIZE
    format: tuple[str, ...] = ("NV12", "YUYV")
    rate: tuple[float, ...] = (30.0, 60.0)
    source: str | None = None
    post: tuple[str, ...] = ()
    seconds: float = 20.0
    soak_minutes: float = 0.0
    max_outside: Share | None = None

    def __post_init__(self) -> None:
        """Check what no measurement could be made with."""
        super().__post_init__()
        for name in ("format", "rate", "source"):
            if getattr(self, name) in ((), ""):
                raise UsageError(f"--{name} names nothing")
        if not all(0 < rate <= 1000 for rate in self.rate):
            raise UsageError("--rate: frames a second, more than 0, at most 1000")
        if not 0.1 <= self.seconds <= 86400 or not 0 <= self.soak_minutes <= 10080:
            raise UsageError("--seconds is 0.1 to 86400, --soak-minutes 0 to 10080")
        if self.max_growth is not None and not self.soak_minutes:
            raise UsageError("--max-growth needs --soak-minutes: there is nothing to hold to it")


def run(words: Sequence[str]) -> int:
    """Run `seg-bench pipeline WORDS…`; return its exit code."""
    options = parse_options("seg-bench pipeline", PipelineOptions, words, positional=("models",))
    outputs, earlier = options.outputs(), options.earlier()
    rows = _measure(options, outputs, words)
    again = options.again("seg-bench", "pipeline")
    return finish(rows, earlier, options.limits, outputs, again)


def _measure(options: PipelineOptions, outputs: Outputs, words: Sequence[str]) -> list[Row]:
    from roadseg.benchmarks.about import about
    from roadseg.benchmarks.pipeline import (
        SOAK_RATE,
        Camera,
        measure_pipeline_soak,
        measure_pipelines,
    )
    from roadseg.runtime.progress_line import Progress

    size = options.frame_size
    found = {  # each is checked; what is measured with them differs in the camera alone
        layout: options.configurations(frame_size=size, pixel_format=layout)
        for layout in dict.fromkeys(layout.upper() for layout in options.format)
    }
    first, configurations = next(iter(found.items()))
    post = options.post
    cameras = [
        Camera.synthetic(size, layout, rate, post) for layout in found for rate in options.rate
    ]
    soaked = Camera.synthetic(size, first, SOAK_RATE, post)
    if options.source:
        soaked = Camera(options.source, post=options.post)
        cameras = [soaked]
    outputs.check()
    progress, told = Progress(), about(["pipeline", *words])

    def measured() -> Iterator[Row]:
        try:
            yield from measure_pipelines(configurations, cameras, options.seconds, progress, told)
            if minutes := options.soak_minutes:
                yield from measure_pipeline_soak(configurations, soaked, minutes, progress, told)
        finally:
            progress.clear()

    return collect(measured(), outputs)
