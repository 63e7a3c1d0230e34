"""Sink: where results go."""

from __future__ import annotations

from typing import Protocol

from roadseg.runtime.result import Result


class Sink(Protocol):
    """Takes every result, in order, from one thread."""

    def write(self, result: Result) -> None:
        """Take a result; its frame and mask must not be kept after the call."""

    def close(self) -> str:
        """End, once; returns what was made, "" for nothing. What is left behind is whole."""
