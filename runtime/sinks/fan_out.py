"""FanOut: each result to all sinks. A slow or failed one loses its own frames, not the others'."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from roadseg.runtime.errors import RoadsegError
from roadseg.runtime.result import Result
from roadseg.runtime.sinks.base import Pace, Sink
from roadseg.runtime.sinks.copies import Copies
from roadseg.runtime.sinks.lane import Lane, Tally, ThreadLane

CLOSE_S = 10.0  # for all sinks together; a long video takes a second


def _to_stderr(line: str) -> None:
    print(f"seg-run: {line}", file=sys.stderr, flush=True)


class FanOut:
    """Gives results to sinks, as their pace and the kind of source ask for.

    live: sinks that may wait run in threads of their own and lose what they cannot take; one that
        fails is closed and told of, and the run goes on while a sink is left.
        Otherwise every sink gets every result, and what one raises ends the run.
    """

    def __init__(
        self, sinks: Sequence[Sink], live: bool, tell: Callable[[str], None] = _to_stderr
    ) -> None:
        self.live, self._tell = live, tell
        self.copies = Copies()
        self.lanes: list[Lane] = []
        self._threads: list[ThreadLane] = []
        for sink in sinks:
            if sink.pace is Pace.SPARE or (live and sink.pace is Pace.EVERY):
                self._threads.append(ThreadLane(sink, self._tell_of))
                self.lanes.append(self._threads[-1])
            else:
                self.lanes.append(Lane(sink))
        self._told: set[str] = set()

    @property
    def tallies(self) -> list[Tally]:
        """What became of the results, by sink."""
        return [lane.tally for lane in self.lanes]

    @property
    def failed(self) -> bool:
        """Whether a sink failed."""
        return any(tally.fault for tally in self.tallies)

    def write(self, result: Result) -> None:
        """Give a result to all; raises RoadsegError when none is left to take it."""
        for lane in self.lanes:
            if not isinstance(lane, ThreadLane):
                self._write_directly(lane, result)
        self._write_in_threads(result)
        if self.lanes and all(tally.fault for tally in self.tallies):
            raise RoadsegError("no sink is left: all that were asked for have failed")

    def _write_directly(self, lane: Lane, result: Result) -> None:
        if lane.tally.fault:
            lane.tally.lost += 1
            return
        try:
            lane.write(result)
        except Exception as error:
            if not self.live:
                raise
            lane.tally.lost += 1
            lane.fail(error)
            self._tell_of(lane)

    def _write_in_threads(self, result: Result) -> None:
        takers = [lane for lane in self._threads if lane.takes()]
        if not takers:
            return
        pixels = any(lane.sink.reads_pixels for lane in takers)
        copy = self.copies.copy(result, len(takers), pixels)
        for lane in takers:
            lane.write(copy)

    def _tell_of(self, lane: Lane) -> None:
        name = lane.tally.name
        self._told.add(name)
        self._tell(f"{name} failed and is closed, the others go on: {_words(lane.tally.fault)}")

    def close(self) -> list[str]:
        """Close all; returns what they made. A sink that fails at its end is told of."""
        for lane in self.lanes:
            lane.end()
        deadline = time.monotonic() + CLOSE_S
        for lane in self.lanes:
            lane.close(max(0.0, deadline - time.monotonic()))
        for tally in self.tallies:
            if tally.fault and tally.name not in self._told:
                self._told.add(tally.name)
                self._tell(f"{tally.name}: {_words(tally.fault)}")
        lost = [
            f"{t.name} lost {t.lost} of {t.written + t.lost} frames" for t in self.tallies if t.lost
        ]
        return [f"wrote {lane.made}" for lane in self.lanes if lane.made] + lost


def _words(error: Exception | None) -> str:
    """Return an error in one line, as run_cli tells it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f" '{error.filename}'" if error.filename else "")
    return str(error) or type(error).__name__
