"""Meter: how much energy something has used."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Counts energy from when it was opened.

    name: what it measures, such as "VDD_IN".
    """

    name: str

    def joules(self, now_s: float) -> float:
        """Return the energy so far; `now_s` is a clock's seconds and never goes back."""
