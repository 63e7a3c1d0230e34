"""Outages: how often a live source was away, and for how long."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class SourceState(enum.Enum):
    """How a live source is."""

    CONNECTING = "connecting"  # it has given no frame yet
    LIVE = "live"
    STALLED = "stalled"  # no frame came in time, and no error: it is opened again
    LOST = "lost"  # it went away: it is opened again


@dataclass(frozen=True)
class SourceStatus:
    """What is told of a live source, when its state changes and while it is away.

    state: how it is.
    since_ns: since when, on the monotonic clock.
    attempts: to open it since then.
    reason: of the last fault, or what is new; "" for none.
    changed: whether this is news, or the same state going on.
    """

    state: SourceState
    since_ns: int
    attempts: int = 0
    reason: str = ""
    changed: bool = True


@dataclass
class Outages:
    """What a run lost while its source was away; times in nanoseconds.

    count: of returns (reconnects).
    down_ns: from the last frame before an outage to the first after it, summed.
    longest_ns: of these.
    first_frame_ns: of the last return: from opening it to its first frame.
    """

    count: int = 0
    down_ns: int = 0
    longest_ns: int = 0
    first_frame_ns: int = 0

    def add(self, down_ns: int, first_frame_ns: int) -> None:
        """Count a return."""
        self.count += 1
        self.down_ns += down_ns
        self.longest_ns = max(self.longest_ns, down_ns)
        self.first_frame_ns = first_frame_ns

    def line(self) -> str:
        """Return it as text, "" when there were none."""
        if not self.count:
            return ""
        return (
            f"reconnects {self.count}, down {self.down_ns / 1e9:.1f} s "
            f"(longest {self.longest_ns / 1e9:.1f} s), first frame "
            f"{self.first_frame_ns / 1e6:.0f} ms after the last return"
        )
