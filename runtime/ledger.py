"""The ledger: every frame that was captured is accounted for, and how old its mask was."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

KEPT = 8192  # newest samples that percentiles are taken over: memory stays flat on long runs


class Samples:
    """Milliseconds: percentiles over the newest KEPT, the maximum over all."""

    def __init__(self) -> None:
        self._ring: NDArray[np.float64] = np.zeros(KEPT)
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
    copies: frames whose pixels were copied on their way from the source.
    copy_reasons: why, each once.
    """

    captured: int = 0
    shown: int = 0
    dropped: int = 0
    stale: int = 0
    corrupt: int = 0
    age: Samples = field(default_factory=Samples)
    stages: dict[str, Samples] = field(default_factory=dict)
    copies: int = 0
    copy_reasons: dict[str, None] = field(default_factory=dict)  # a set that keeps the order

    @property
    def balances(self) -> bool:
        """Whether every captured frame is accounted for."""
        return self.captured == self.shown + self.dropped + self.stale + self.corrupt

    def add_copy(self, reason: str) -> None:
        """Count a frame whose pixels were copied."""
        self.copies += 1
        self.copy_reasons[reason] = None

    def add_stage(self, name: str, nanoseconds: int) -> None:
        """Add how long a stage took for one frame."""
        self.stages.setdefault(name, Samples()).add(nanoseconds)

    def lines(self, seconds: float) -> list[str]:
        """Return the ledger as text: the balance, the ages, the stages."""
        sign = "=" if self.balances else "≠"
        lines = [
            f"captured {self.captured} {sign} shown {self.shown} + sensor drops {self.dropped} + "
            f"stale {self.stale} + corrupt {self.corrupt}",
            f"copies {self.copies}" + "".join(f"; {reason}" for reason in self.copy_reasons),
        ]
        if self.shown:
            lines.append(f"{self.shown / seconds:.1f} FPS over {seconds:.1f} s")
            lines.append(f"{'ms':12}{'p50':>8}{'p90':>8}{'p99':>8}{'max':>8}")
            lines += [_row(name, samples) for name, samples in self.stages.items()]
            lines.append(_row("age", self.age))
        return lines


def _row(name: str, samples: Samples) -> str:
    shares = [samples.percentile(share) for share in (50, 90, 99)]
    return f"{name:12}" + "".join(f"{value:8.1f}" for value in (*shares, samples.max))
