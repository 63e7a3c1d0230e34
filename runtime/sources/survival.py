"""Survival: how patient a run is with a live source."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Survival:
    """How long is waited for a source, and what then.

    stall_s: without a frame, then it counts as stalled.
    open_s: for opening it.
    start_s: for a source that was not there since the start, then it is an error; 0 waits on.
    fail_fast: raise at the first fault instead of opening it again.
    first_delay_s, longest_delay_s: between attempts; each is twice as long as the one before.
    seed: of the jitter, which takes up to half of a delay: many clients do not come at once.
    """

    stall_s: float = 3.0
    open_s: float = 10.0
    start_s: float = 10.0
    fail_fast: bool = False
    first_delay_s: float = 0.25
    longest_delay_s: float = 8.0
    seed: int | None = None

    def delays(self) -> Iterator[float]:
        """Give the delays after one attempt, two, three …"""
        jitter, delay = random.Random(self.seed), self.first_delay_s
        while True:
            yield delay * jitter.uniform(0.5, 1.0)
            delay = min(2 * delay, self.longest_delay_s)
