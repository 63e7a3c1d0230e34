"""seg-bench: measure speed, memory and accuracy of artefacts; report; hold them to gates."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from roadseg.benchmarks.ending import collect, finish
from roadseg.benchmarks.evaluation.augmentation import parse_scales
from roadseg.benchmarks.gates import Share
from roadseg.benchmarks.outputs import Outputs
from roadseg.benchmarks.rows import Row, read_rows
from roadseg.benchmarks.session import SessionOptions
from roadseg.runtime.errors import UsageError, run_cli
from roadseg.runtime.options import Size, parse_options

REPORT, PIPELINE, DEVICE_CHECK = "report", "pipeline", "device-check"


@dataclass(frozen=True)
class BenchOptions(SessionOptions):
    """Measure speed, memory and accuracy of models, side by side. `seg-bench report ROWS…` makes
    reports of rows that were measured before, and holds them to gates. `seg-bench pipeline`
    measures models behind a live camera. `seg-bench device-check` tries all of roadseg on a machine
    and writes one report that can be sent.

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
    soak: run this many more frames and watch memory.
    min_miou: gate: mIoU, such as 70% (needs --data).
    max_growth: gate: growth of memory in MB per 1000 frames (needs --soak).
    max_drop: how many points of mIoU less than the earlier run is still the same.
    """

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
    soak: int = 0
    min_miou: Share | None = None
    max_drop: float = 0.5

    def __post_init__(self) -> None:
        """Check what no measurement could be made with."""
        super().__post_init__()
        for name, least in (("n", 1), ("warmup", 0), ("soak", 0), ("worst", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"--{name} is {getattr(self, name)}: use {least} or more")
        if self.worst and not (self.data and self.out):
            raise UsageError("--worst needs --data and --out: frames to rank, a folder to write to")
        parse_scales(self.tta)
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
    outputs, earlier = options.outputs(), options.earlier()
    if options.reporting:
        rows = [row for path in options.models[1:] for row in read_rows(path)]
        outputs.check()
    else:
        rows = _measure(options, outputs, words)
    return finish(rows, earlier, options.limits, outputs, options.again("seg-bench"))


def _measure(options: BenchOptions, outputs: Outputs, words: Sequence[str]) -> list[Row]:
    from roadseg.benchmarks.about import about
    from roadseg.benchmarks.measure import measure

    configurations = options.configurations(
        frame_size=options.frame_size, pixel_format=options.format, tta=options.tta
    )
    outputs.check()
    return collect(measure(configurations, options, about(words)), outputs)
