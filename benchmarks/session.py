"""What every session of seg-bench takes, whatever it measures."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadseg.benchmarks.gates import Limits, Share
from roadseg.benchmarks.outputs import STANDARD_NAMES, Outputs
from roadseg.benchmarks.rows import Row, read_rows
from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import Size

if TYPE_CHECKING:
    from roadseg.benchmarks.configuration import Configuration

TOLERANCE = Share("10%")
# Options that do not change what is measured.
_REPORTS = {"models", "compare", "out", "worst", *STANDARD_NAMES}
_GATES = {one.name for one in fields(Limits)}


@dataclass(frozen=True)
class SessionOptions:
    """Models and engines, where reports go, and gates.

    models: paths of artefacts, names of shipped networks, or classical:METHOD.
    engine: engines to measure on.
    size: input sizes of the network; the model's own when not given.
    threads: threads of the engine; 0 leaves it to the engine.
    out: folder for all reports under their standard names.
    jsonl: write rows here, one line of JSON per measurement.
    markdown: write a Markdown report here.
    html: write an HTML report here, one file.
    json: write a short summary for CI here.
    junit: write the gates as JUnit XML here.
    min_fps: gate: frames a second of every configuration.
    max_p99: gate: p99 of latency in milliseconds.
    max_growth: gate: growth of memory in MB per 1000 frames.
    compare: gate: rows of an earlier run; slower, larger or less accurate than there, or not
        measured again, is missed.
    tolerance: how much slower or larger than the earlier run is still the same.
    """

    models: tuple[str, ...] = ()
    engine: tuple[str, ...] = ("auto",)
    size: tuple[Size, ...] = ()
    threads: int = 0
    out: str = ""
    jsonl: str = ""
    markdown: str = ""
    html: str = ""
    json: str = ""
    junit: str = ""
    min_fps: float | None = None
    max_p99: float | None = None
    max_growth: float | None = None
    compare: str | None = None
    tolerance: Share = TOLERANCE

    def __post_init__(self) -> None:
        """Check what no measurement could be made with."""
        if not self.engine:
            raise UsageError("--engine names no engine")
        if self.compare == "":  # a variable of CI that is not set must not turn the gate off
            raise UsageError("--compare names no file: give the rows of an earlier run")
        if self.threads < 0:
            raise UsageError(f"--threads is {self.threads}: use 0 or more")

    @property
    def limits(self) -> Limits:
        """What rows must reach."""
        names = [one.name for one in fields(Limits)]
        return Limits(**{name: getattr(self, name) for name in names if hasattr(self, name)})

    def outputs(self) -> Outputs:
        """Return the reports that are asked for; raises UsageError for one on earlier rows."""
        files = {name: getattr(self, name) for name in STANDARD_NAMES}
        outputs = Outputs.named(self.out, **files)
        rows = outputs.jsonl
        if rows and self.compare and rows.resolve() == Path(self.compare).resolve():
            raise UsageError(
                f"--compare {self.compare}: the rows of this run would replace it: keep the "
                "earlier rows elsewhere"
            )
        return outputs

    def earlier(self) -> Sequence[Row]:
        """Read the rows to compare with; none when that is not asked for."""
        return read_rows(self.compare) if self.compare else []

    def again(self, *command: str) -> str:
        """Return the command that measures the same again, without its reports and gates."""
        from roadseg.runtime.sources.query import hide_password

        words = [*command, *self.models]
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name not in _REPORTS | _GATES and value != one.default:
                words += _words(f"--{one.name.replace('_', '-')}", value)
        return shlex.join(map(hide_password, words))

    def configurations(self, **shared: Any) -> list[Configuration]:
        """Return every model on every engine at every size; see combine."""
        from roadseg.benchmarks.configuration import combine
        from roadseg.runtime.shipped import DEFAULT_MODEL

        models = self.models or (DEFAULT_MODEL,)
        return combine(models, self.engine, self.size, threads=self.threads, **shared)


def _words(flag: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    return [flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
