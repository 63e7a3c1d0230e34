"""Results in shared memory, for another process."""

from __future__ import annotations

from roadseg.runtime.result import Result
from roadseg.runtime.ring import RingWriter, ring_path
from roadseg.runtime.sinks.base import Pace, Sink


class RingSink(Sink):
    """Writes each mask, and its frame where asked for, to the ring NAME; see docs/ring.md.

    The ring is made with the first result. Frames of another size or format make a new one under
    the name, and the old one tells its readers that it is closed.
    """

    name = "ring"
    pace = Pace.AT_ONCE

    def __init__(self, name: str, classes: int, frames: bool) -> None:
        self._path = ring_path(name)
        self._classes, self._frames = classes, frames
        self._ring: RingWriter | None = None
        self._written = 0

    def write(self, result: Result) -> None:
        """See Sink."""
        if self._ring and not self._ring.fits(result):
            self._ring.close()
            self._ring = None
        if self._ring is None:
            self._ring = RingWriter(self._path, self._classes, result, self._frames)
        self._ring.write(result)
        self._written += 1

    def close(self) -> str:
        """See Sink."""
        if self._ring is None:
            return ""
        self._ring.close()
        return f"ring {self._path.name}, {self._written} masks"
