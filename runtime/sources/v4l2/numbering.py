"""Numbers of a camera's frames."""

from __future__ import annotations


class FrameNumbers:
    """The driver's numbers of frames, without one that comes twice.

    A buffer that comes back empty has no number of its own, and vivid gives one again after a frame
    that took long to fill: each moves those after it on by one.
    """

    def __init__(self) -> None:
        self._last, self._added = -1, 0

    def of(self, sequence: int, empty: bool = False) -> int:
        """Return the number of the next frame, which the driver calls `sequence`."""
        number = sequence + self._added
        if empty or number == self._last:
            self._added += 1
            number = self._last + 1
        self._last = number
        return number
