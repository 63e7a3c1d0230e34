"""The ledger: every frame that was captured is accounted for, and how old its mask was."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.outages import Outages

KEPT = 8192  # newest samples that percentiles are taken over: memory stays flat on long runs
PERCENTILES = (50, 90, 99, 99.9)


class Samples:
    """Milliseconds: percentiles over the newest KEPT, the maximum over all."""

    def __init__(self) -> None:
        # Written to: of np.zeros the memory would be taken page by page, over minutes.
        self._ring: NDArray[np.float64] = np.full(KEPT, 0.0)
        self.count = 0
        self.max = 0.0

    def add(self, nanoseconds: int) -> None:
        """Add a duration."""
        value = nanoseconds / 1e6
        self._ring[self.count % KEPT] = value
        self.count += 1
        self.max = max(self.max, value)

    def percentile(self, share: float) -> float:
        """Return the percentile in milliseconds, 0.0 when there are no samples."""
        kept = self._ring[: min(self.count, KEPT)]
        return float(np.percentile(kept, share)) if kept.size else 0.0


@dataclass
class Ledger:
    """Counts of frames; captured = shown + dropped + stale + corrupt.

    captured: by the source, with those that it says it lost.
    shown: whose masks the sinks were given; what a slow sink loses is in its own count.
    dropped: by the sensor: gaps in the source's sequence.
    stale: replaced by a newer frame before inference, or under way when the run was stopped.
    corrupt: that could not be decoded.
    age: capture to mask.
    stages: by name.
    deadline_ns: that ages are held to; 0 for none.
    missed: masks shown that were older.
    copies: frames whose pixels were copied on their way from the source.
    copy_reasons: why, each once.
    outages: of a live source.
    """

    captured: int = 0
    shown: int = 0
    dropped: int = 0
    stale: int = 0
    corrupt: int = 0
    age: Samples = field(default_factory=Samples)
    stages: dict[str, Samples] = field(default_factory=dict)
    deadline_ns: int = 0
    missed: int = 0
    copies: int = 0
    copy_reasons: dict[str, None] = field(default_factory=dict)  # a set that keeps the order
    outages: Outages = field(default_factory=Outages)

    @property
    def balances(self) -> bool:
        """Whether every captured frame is accounted for."""
        return self.captured == self.shown + self.dropped + self.stale + self.corrupt

    def add_shown(self, age_ns: int) -> None:
        """Count a mask that all sinks got, and how old it was."""
        self.shown += 1
        self.missed += 0 < self.deadline_ns < age_ns
        self.age.add(age_ns)

    def add_copy(self, reason: str) -> None:
        """Count a frame whose pixels were copied."""
        self.copies += 1
        self.copy_reasons[reason] = None

    def add_stage(self, name: str, nanoseconds: int) -> None:
        """Add how long a stage took for one frame."""
        if name not in self.stages:  # setdefault would make 64 KB each time
            self.stages[name] = Samples()
        self.stages[name].add(nanoseconds)

    def lines(self, seconds: float) -> list[str]:
        """Return the ledger as text: the balance, what went wrong, the stages, the ages."""
        sign = "=" if self.balances else "≠"
        lines = [
            f"captured {self.captured} {sign} shown {self.shown} + sensor drops {self.dropped} + "
            f"stale {self.stale} + corrupt {self.corrupt}",
            f"copies {self.copies}" + "".join(f"; {reason}" for reason in self.copy_reasons),
        ]
        if self.outages.count:
            lines.append(self.outages.line())
        if self.deadline_ns:
            limit = f"{self.deadline_ns / 1e6:g} ms"
            lines.append(f"deadline {limit}: {self.missed} of {self.shown} masks missed it")
        if self.shown:
            lines.append(f"{self.shown / seconds:.1f} FPS over {seconds:.1f} s")
            heads = [f"p{share:g}" for share in PERCENTILES]
            lines.append(f"{'ms':12}" + "".join(f"{head:>8}" for head in (*heads, "max")))
            lines += [_row(name, samples) for name, samples in self.stages.items()]
            lines.append(_row("age", self.age))
        return lines


def _row(name: str, samples: Samples) -> str:
    values = [samples.percentile(share) for share in PERCENTILES]
    return f"{name:12}" + "".join(f"{value:8.1f}" for value in (*values, samples.max))
