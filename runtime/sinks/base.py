"""Sink: where results go."""

from __future__ import annotations

import enum
from typing import Protocol

from roadseg.runtime.result import Result


class Pace(enum.Enum):
    """When a sink gets results, and in which thread."""

    AT_ONCE = "all, in the caller's thread: it waits for nothing"
    EVERY = "all of a file, in the caller's thread; of a live source what it can take, in its own"
    SPARE = "what it can take, in a thread of its own, whatever the source"


class Sink(Protocol):
    """Takes results in order, from one thread.

    name: what its counts are told under.
    pace: see Pace.
    reads_pixels: whether it reads the frame's pixels, or the mask alone.
    """

    name: str
    pace: Pace = Pace.EVERY
    reads_pixels: bool = True

    def wants(self) -> bool:
        """Whether it would do anything with a result now; asked before one is copied for it."""
        return True

    def write(self, result: Result) -> None:
        """Take a result; its frame and mask must not be kept after the call."""

    def close(self) -> str:
        """End, once; returns what was made, "" for nothing. What is left behind is whole."""
        return ""
