"""The pipeline: capture, infer and sinks, a thread each, and a ledger that balances.

    source ─► [newest frame, or all] ─► segmenter ─► [results] ─► sinks

Files are read in full: each stage waits for the next. A live source does not wait: when inference
is busy the waiting frame is replaced by the newer one and counted as stale.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator

from roadseg.runtime.errors import CorruptFrame
from roadseg.runtime.frame import Frame
from roadseg.runtime.handover import Handover
from roadseg.runtime.ledger import Ledger
from roadseg.runtime.result import Result
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.sources.base import Source
from roadseg.runtime.sources.buffers import Buffers

AHEAD = 2  # frames read, and results made, ahead of the stage that takes them
MASKS = AHEAD + 2  # that can be out: waiting, being filled, with the sinks
KEPT_FAULTS = 16  # a camera that runs for weeks has more; all are counted
JOIN_S = 3.0  # a camera's read may hang; the process does not wait for it longer than this


class Pipeline:
    """Runs a source through a segmenter; `results` gives what comes out, to one thread.

    limit: of results, 0 for none; of a file no more than these are read.
    ledger: to count in, by default a new one.
    """

    def __init__(
        self, source: Source, segmenter: Segmenter, limit: int = 0, ledger: Ledger | None = None
    ) -> None:
        self.source, self.segmenter, self.limit = source, segmenter, limit
        self.ledger = ledger or Ledger()
        self.faults: list[CorruptFrame] = []
        live = source.info.live
        self._frames: Handover[Frame] = Handover(1 if live else AHEAD, newest_only=live)
        self._results: Handover[Result] = Handover(AHEAD)
        self._masks = Buffers((0, 0))
        self._under_way: deque[Frame] = deque()  # in the segmenter; who takes it out counts it
        self._errors: list[BaseException] = []
        self._stop = threading.Event()
        self._stale = 0  # counted by the capture thread
        self._made = 0  # results, counted by the infer thread
        self._threads = [
            threading.Thread(target=self._guard, args=(body, after), name=name, daemon=True)
            for name, body, after in (
                ("capture", self._capture, self._frames),
                ("infer", self._infer, self._results),
            )
        ]

    @property
    def stale(self) -> int:
        """Stale frames so far; the ledger has them all once the run has ended."""
        return self.ledger.stale + self._stale

    def results(self) -> Generator[Result, None, None]:
        """Give each result; its frame and mask are taken back when the next is asked for.

        Raises what a thread raised, after the results that came before it. Closing the iterator
        early counts what was under way as stale.
        """
        for thread in self._threads:
            thread.start()
        try:
            while (result := self._results.get()) is not None:
                start = time.perf_counter_ns()
                yield result
                self._record(result, time.perf_counter_ns() - start)
                if self.ledger.shown == self.limit:
                    return
        finally:
            self._end()
        if self._errors:
            raise self._errors[0]

    def stop(self) -> None:
        """End `results` behind those that are made; a signal's handler may call it."""
        self._results.interrupt()

    def _guard(self, body: Callable[[], None], after: Handover[Frame] | Handover[Result]) -> None:
        """Run a thread's body; whatever ends it ends those that wait for it."""
        try:
            body()
        except BaseException as error:
            self._errors.append(error)
            self._stop.set()
        finally:
            after.close()

    def _capture(self) -> None:
        expected: int | None = None
        while not (self._stop.is_set() or self._has_enough()):
            try:
                frame = self.source.read()
            except CorruptFrame as error:
                if len(self.faults) < KEPT_FAULTS:
                    self.faults.append(error)
                self.ledger.captured += 1
                self.ledger.corrupt += 1
                expected = None if expected is None else expected + 1
                continue
            if frame is None:
                return
            lost = max(0, frame.sequence - expected) if expected is not None else 0
            self.ledger.dropped += lost
            self.ledger.captured += 1 + lost
            expected = frame.sequence + 1
            if self.source.info.copy_reason:
                self.ledger.add_copy(self.source.info.copy_reason)
            if (unseen := self._frames.put(frame)) is not None:
                self._stale += 1
                unseen.release()

    def _has_enough(self) -> bool:
        return not self.source.info.live and 0 < self.limit <= self.ledger.captured

    def _infer(self) -> None:
        while (frame := self._frames.get()) is not None:
            if self._masks.shape != (frame.height, frame.width):
                ahead = MASKS if self.source.info.live else 0  # each image may have its own size
                self._masks = Buffers((frame.height, frame.width), ahead)
            mask = self._masks.lend()
            self._under_way.append(frame)
            segmented = self.segmenter(frame, mask)
            if not _taken_out(self._under_way):  # the run has ended meanwhile, and counted it
                frame.release()
                return
            age = time.monotonic_ns() - frame.timestamp_ns
            self._made += 1
            result = Result(frame, mask, segmented.stages_ns, age, segmented.findings)
            unseen = self._results.put(result)
            if unseen is not None:
                self._take_back(unseen)

    def _record(self, result: Result, sinks_ns: int) -> None:
        self.ledger.add_shown(result.age_ns)
        for name, spent in result.stages_ns.items():
            self.ledger.add_stage(name, spent)
        self.ledger.add_stage("sinks", sinks_ns)
        self._take_back(result)

    def _take_back(self, result: Result) -> None:
        result.frame.release()
        self._masks.give_back(result.mask)

    def _end(self) -> None:
        """Stop the threads and count what was under way."""
        self._stop.set()
        self.source.cancel()
        left = self._frames.drain()
        self._results.drain()
        for thread in self._threads:
            thread.join(JOIN_S)
        left += [*self._frames.drain(), *_taken_out(self._under_way)]
        # By results made, not taken: an interrupt may come just when one has been taken.
        self.ledger.stale += len(left) + self._stale + self._made - self.ledger.shown
        self._stale = self._made = 0


def _taken_out(frames: deque[Frame]) -> list[Frame]:
    try:
        return [frames.pop()]  # atomic: one of two threads gets it
    except IndexError:
        return []
