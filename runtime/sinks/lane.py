"""Lane: the way of results to one sink, and the count of them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from roadseg.runtime.handover import Handover
from roadseg.runtime.result import Result
from roadseg.runtime.sinks.base import Pace, Sink

QUEUE = 4  # results that wait for a sink: a disk's short pauses lose nothing


@dataclass
class Tally:
    """What became of the results for one sink.

    written: that it took.
    lost: that came while it was busy, or after it failed.
    fault: what it failed of, None while it works.
    """

    name: str
    written: int = 0
    lost: int = 0
    fault: Exception | None = None


class Lane:
    """Calls a sink in the caller's thread."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.tally = Tally(sink.name)
        self.made = ""

    def write(self, result: Result) -> None:
        """Give a result to the sink; whatever it raises is raised."""
        self.sink.write(result)
        self.tally.written += 1

    def fail(self, error: Exception) -> None:
        """The sink failed: it is closed, and gets no more."""
        self.tally.fault = error
        with contextlib.suppress(Exception):
            self.sink.close()

    def end(self) -> None:
        """Begin to close."""

    def close(self, timeout_s: float) -> None:
        """Close the sink; `made` and the tally's fault say what came of it."""
        if self.tally.fault is None:
            try:
                self.made = self.sink.close()
            except Exception as error:
                self.tally.fault = error


class ThreadLane(Lane):
    """Calls a sink in a thread of its own, behind a short queue; never waits for it.

    on_fault: called with the lane, once, in its thread, when the sink failed at a result.
    """

    def __init__(self, sink: Sink, on_fault: Callable[[Lane], None]) -> None:
        super().__init__(sink)
        self._on_fault = on_fault
        self._lock = threading.Lock()
        self._queue: Handover[Result] = Handover(1 if sink.pace is Pace.SPARE else QUEUE)
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)
        self._thread.start()

    def takes(self) -> bool:
        """Whether a result can be put now; counts one that is lost."""
        if not self.sink.wants():
            return False
        if self.tally.fault is None and self._queue.has_room():
            return True
        self._count_lost(1)
        return False

    def write(self, result: Result) -> None:
        """Queue a result after `takes`; its frame is released when the sink has had it."""
        if (unseen := self._queue.put(result)) is not None:  # it failed in the meantime
            self._lose([unseen])

    def _run(self) -> None:
        while (result := self._queue.get()) is not None:
            try:
                super().write(result)
            except Exception as error:
                self._lose([result, *self._queue.drain()])
                self.fail(error)
                self._on_fault(self)
                return
            result.frame.release()
        super().close(0)

    def _count_lost(self, frames: int) -> None:
        with self._lock:  # both threads lose frames
            self.tally.lost += frames

    def _lose(self, results: list[Result]) -> None:
        self._count_lost(len(results))
        for result in results:
            result.frame.release()

    def end(self) -> None:
        """Take no more; the sink still gets what waits, and is closed in its thread."""
        self._queue.close()

    def close(self, timeout_s: float) -> None:
        """Wait for the sink's end; one that does not answer is left behind."""
        self.end()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._lose(self._queue.drain())
            self.tally.fault = TimeoutError("does not answer; it was left behind")
