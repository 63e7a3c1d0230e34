"""seg-bench pipeline: a camera to masks, at the camera's pace."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from roadseg.benchmarks.ending import finish
from roadseg.benchmarks.gates import Limits, Share
from roadseg.benchmarks.outputs import Outputs
from roadseg.benchmarks.rows import Row, read_rows
from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import Size, parse_options

FRAME_SIZE = Size(1280, 720)
TOLERANCE = Share("10%")


@dataclass(frozen=True)
class PipelineOptions:
    """Measure models behind a live camera, from capture to mask: seg-bench pipeline [MODELS…].

    models: paths of artefacts or names of shipped networks.
    engine: engines to measure on.
    size: input sizes of the network; the model's own when not given.
    threads: threads of the engine; 0 leaves it to the engine.
    frame_size: of the synthetic camera's frames.
    format: its pixel formats: NV12, YUYV, BGR.
    rate: its frames a second.
    source: a live source instead, such as camera:0; its size, format and rate are its own.
    post: stages after the network, as of seg-run, such as area:64,polygon; each is timed.
    seconds: that are measured, after two that are not.
    soak_minutes: run a camera that never waits for so long too, and watch memory.
    out: folder for all reports under their standard names.
    jsonl: write rows here, one line of JSON per measurement.
    markdown: write a Markdown report here.
    html: write an HTML report here, one file.
    json: write a short summary for CI here.
    junit: write the gates as JUnit XML here.
    min_fps: gate: masks a second.
    max_p99: gate: p99 of the age in milliseconds.
    max_outside: gate: share of CPU time outside the engine, such as 10%.
    max_growth: gate: growth of memory in MB per 1000 frames (needs --soak-minutes).
    compare: gate: rows of an earlier run; older masks or more memory than there is missed.
    tolerance: how much older or larger than the earlier run is still the same.
    """

    models: tuple[str, ...] = ()
    engine: tuple[str, ...] = ("auto",)
    size: tuple[Size, ...] = ()
    threads: int = 0
    frame_size: Size = FRAME_SIZE
    format: tuple[str, ...] = ("NV12", "YUYV")
    rate: tuple[float, ...] = (30.0, 60.0)
    source: str = ""
    post: tuple[str, ...] = ()
    seconds: float = 20.0
    soak_minutes: float = 0.0
    out: str = ""
    jsonl: str = ""
    markdown: str = ""
    html: str = ""
    json: str = ""
    junit: str = ""
    min_fps: float | None = None
    max_p99: float | None = None
    max_outside: Share | None = None
    max_growth: float | None = None
    compare: str = ""
    tolerance: Share = TOLERANCE

    def __post_init__(self) -> None:
        """Check what no measurement could be made with."""
        for name in ("engine", "format", "rate"):
            if not getattr(self, name):
                raise UsageError(f"--{name} names nothing")
        if not all(0 < rate <= 1000 for rate in self.rate):
            raise UsageError("--rate: frames a second, more than 0, at most 1000")
        if not 0.1 <= self.seconds <= 86400 or not 0 <= self.soak_minutes <= 10080:
            raise UsageError("--seconds is 0.1 to 86400, --soak-minutes 0 to 10080")
        if self.threads < 0:
            raise UsageError(f"--threads is {self.threads}: use 0 or more")
        if self.max_growth is not None and not self.soak_minutes:
            raise UsageError("--max-growth needs --soak-minutes: there is nothing to hold to it")

    @property
    def limits(self) -> Limits:
        """What rows must reach."""
        return Limits(
            min_fps=self.min_fps,
            max_p99=self.max_p99,
            max_outside=self.max_outside,
            max_growth=self.max_growth,
            tolerance=self.tolerance,
        )


def run(words: Sequence[str]) -> int:
    """Run `seg-bench pipeline WORDS…`; return its exit code."""
    options = parse_options("seg-bench pipeline", PipelineOptions, words, positional=("models",))
    names = ("jsonl", "markdown", "html", "json", "junit")
    outputs = Outputs.named(options.out, **{name: getattr(options, name) for name in names})
    earlier = read_rows(options.compare) if options.compare else []
    rows = _measure(options, outputs, words)
    again = shlex.join(["seg-bench", "pipeline", *options.models])
    return finish(rows, earlier, options.limits, outputs, again)


def _measure(options: PipelineOptions, outputs: Outputs, words: Sequence[str]) -> list[Row]:
    from roadseg.benchmarks.about import about
    from roadseg.benchmarks.configuration import combine
    from roadseg.benchmarks.pipeline import (
        SOAK_RATE,
        Camera,
        measure_pipeline_soak,
        measure_pipelines,
    )
    from roadseg.benchmarks.progress import Progress
    from roadseg.runtime.shipped import DEFAULT_MODEL

    layouts = [layout.upper() for layout in options.format]
    found = [
        combine(
            *(options.models or (DEFAULT_MODEL,), options.engine, options.size),
            frame_size=options.frame_size,
            pixel_format=layout,
            threads=options.threads,
        )
        for layout in layouts  # each is checked; a camera's format is its own
    ]
    cameras = [
        Camera.synthetic(options.frame_size, layout, rate, options.post)
        for layout in layouts
        for rate in options.rate
    ]
    soaked = Camera.synthetic(options.frame_size, layouts[0], SOAK_RATE, options.post)
    if options.source:
        soaked = Camera(options.source, post=options.post)
        cameras = [soaked]
    outputs.check()
    progress, told = Progress(), about(["pipeline", *words])
    try:
        rows = measure_pipelines(found[0], cameras, options.seconds, progress, told)
        if options.soak_minutes:
            minutes = options.soak_minutes
            rows += measure_pipeline_soak(found[0], soaked, minutes, progress, told)
        return rows
    finally:
        progress.clear()
