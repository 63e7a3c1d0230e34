"""seg-bench: measure speed, memory and accuracy of artefacts; report; hold them to gates."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from roadseg.benchmarks.ending import finish
from roadseg.benchmarks.evaluation.augmentation import parse_scales
from roadseg.benchmarks.gates import Limits, Share
from roadseg.benchmarks.outputs import Outputs
from roadseg.benchmarks.rows import Row, read_rows
from roadseg.runtime.errors import UsageError, run_cli
from roadseg.runtime.options import Size, parse_options

REPORT, PIPELINE, DEVICE_CHECK = "report", "pipeline", "device-check"
TOLERANCE = Share("10%")


@dataclass(frozen=True)
class BenchOptions:
    """Measure speed, memory and accuracy of models, side by side. `seg-bench report ROWS…` makes
    reports of rows that were measured before, and holds them to gates. `seg-bench pipeline`
    measures models behind a live camera. `seg-bench device-check` tries all of roadseg on a machine
    and writes one report that can be sent.

    models: paths of artefacts, names of shipped networks, or classical:METHOD.
    engine: engines to measure on.
    size: input sizes of the network; the model's own when not given.
    frame_size: size of the frames that are segmented; the network's input when not given.
    format: pixel format of the frames: BGR, NV12 or YUYV.
    data: data set to measure accuracy on, as seg-data takes it.
    split: which split of it.
    label_map: label maps (names in the package or .toml files) that lead from the classes of a
        model or of the data to those that are scored; "drivable" makes road and other of any.
    detail: precision-recall curves and boundary IoU as well, which take longer.
    worst: write a sheet of so many of the worst frames of each model to --out (needs --data).
    tta: test-time augmentation, such as flip,0.75,1.25: logits averaged over mirrored and scaled
        inputs; speed is measured with it too.
    n: frames that are timed for each configuration.
    warmup: frames before them that are not.
    threads: threads of the engine; 0 leaves it to the engine.
    soak: run this many more frames and watch memory.
    out: folder for all reports under their standard names.
    jsonl: write rows here, one line of JSON per measurement.
    markdown: write a Markdown report here.
    html: write an HTML report here, one file.
    json: write a short summary for CI here.
    junit: write the gates as JUnit XML here.
    min_fps: gate: frames a second of every configuration.
    max_p99: gate: p99 of latency in milliseconds.
    min_miou: gate: mIoU, such as 70% (needs --data).
    max_growth: gate: growth of memory in MB per 1000 frames (needs --soak).
    compare: gate: rows of an earlier run; slower, larger or less accurate than there is missed.
    tolerance: how much slower or larger than the earlier run is still the same.
    max_drop: how many points of mIoU less than the earlier run is still the same.
    """

    models: tuple[str, ...] = ()
    engine: tuple[str, ...] = ("auto",)
    size: tuple[Size, ...] = ()
    frame_size: Size | None = None
    format: str = "BGR"
    data: str = ""
    split: str = "val"
    label_map: tuple[str, ...] = ()
    detail: bool = True
    worst: int = 0
    tta: tuple[str, ...] = ()
    n: int = 50
    warmup: int = 10
    threads: int = 0
    soak: int = 0
    out: str = ""
    jsonl: str = ""
    markdown: str = ""
    html: str = ""
    json: str = ""
    junit: str = ""
    min_fps: float | None = None
    max_p99: float | None = None
    min_miou: Share | None = None
    max_growth: float | None = None
    compare: str = ""
    tolerance: Share = TOLERANCE
    max_drop: float = 0.5

    def __post_init__(self) -> None:
        """Check what no measurement could be made with."""
        for name, least in (("n", 1), ("warmup", 0), ("threads", 0), ("soak", 0), ("worst", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"--{name} is {getattr(self, name)}: use {least} or more")
        if self.worst and not (self.data and self.out):
            raise UsageError("--worst needs --data and --out: frames to rank, a folder to write to")
        parse_scales(self.tta)
        if not self.engine:
            raise UsageError("--engine names no engine")
        if not self.reporting and self.min_miou is not None and not self.data:
            raise UsageError("--min-miou needs --data: there is nothing to hold to it")
        if not self.reporting and self.max_growth is not None and not self.soak:
            raise UsageError("--max-growth needs --soak: there is nothing to hold to it")
        if self.models == (REPORT,):
            raise UsageError("report: name a file of rows, such as seg-bench report rows.jsonl")

    @property
    def reporting(self) -> bool:
        """Whether rows are read instead of measured."""
        return bool(self.models) and self.models[0] == REPORT

    @property
    def limits(self) -> Limits:
        """What rows must reach."""
        return Limits(
            min_fps=self.min_fps,
            max_p99=self.max_p99,
            min_miou=self.min_miou,
            max_growth=self.max_growth,
            tolerance=self.tolerance,
            max_drop=self.max_drop,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run seg-bench; return its exit code: 1 when a gate was missed."""
    words = list(sys.argv[1:] if argv is None else argv)
    return run_cli("seg-bench", lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    if words[:1] == [DEVICE_CHECK]:
        from roadseg.benchmarks.device.check import device_check

        return device_check(words[1:])
    if words[:1] == [PIPELINE]:
        from roadseg.benchmarks.pipeline_cli import run

        return run(words[1:])
    options = parse_options("seg-bench", BenchOptions, words, positional=("models",))
    outputs = Outputs.named(
        options.out,
        **{name: getattr(options, name) for name in ("jsonl", "markdown", "html", "json", "junit")},
    )
    earlier = read_rows(options.compare) if options.compare else []
    if options.reporting:
        rows = [row for path in options.models[1:] for row in read_rows(path)]
        outputs.check()
    else:
        rows = _measure(options, outputs, words)
    again = shlex.join(["seg-bench", *options.models])
    return finish(rows, earlier, options.limits, outputs, again)


def _measure(options: BenchOptions, outputs: Outputs, words: Sequence[str]) -> list[Row]:
    from roadseg.benchmarks.about import about
    from roadseg.benchmarks.configuration import combine
    from roadseg.benchmarks.measure import measure
    from roadseg.runtime.shipped import DEFAULT_MODEL

    configurations = combine(
        *(options.models or (DEFAULT_MODEL,), options.engine, options.size),
        frame_size=options.frame_size,
        pixel_format=options.format,
        threads=options.threads,
        tta=options.tta,
    )
    outputs.check()
    return measure(configurations, options, about(words))
