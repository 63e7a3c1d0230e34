"""A source on a thread of its own: neither opening nor reading it can hang who waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from roadseg.runtime.errors import CorruptFrame, SourceLost, SourceStalled
from roadseg.runtime.frame import Frame
from roadseg.runtime.handover import Handover
from roadseg.runtime.sources.base import Source, SourceInfo

AHEAD = 2  # frames read before they are asked for


class Connection:
    """Opens a source, reads it until it ends or fails, closes it; all on one thread.

    A thread that hangs in a driver is left behind by `give_up`; it closes its source when it wakes.
    """

    def __init__(self, opener: Callable[[], Source]) -> None:
        self.started_ns = time.monotonic_ns()
        self._opener = opener
        self._info: SourceInfo | None = None
        self._source: Source | None = None
        self._items: Handover[Frame | CorruptFrame] = Handover(AHEAD)
        self._error: BaseException | None = None
        self._opened, self._given_up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)
        self._thread.start()

    def info(self, timeout_s: float) -> SourceInfo | None:
        """Wait until it is open; None when it is not yet. Raises what opening it raised."""
        if not self._opened.wait(timeout_s):
            return None
        if self._info is None:
            raise self._error or SourceLost("given up before it was open")
        return self._info

    def get(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None at the source's end.

        Raises CorruptFrame, SourceStalled when none came in time, and what ended the source.
        """
        try:
            item = self._items.get(max(0.0, timeout_s))
        except TimeoutError:
            raise SourceStalled("no frame came in time") from None
        if isinstance(item, CorruptFrame):
            raise item
        if item is None and self._error is not None:
            raise self._error
        return item

    def give_up(self) -> None:
        """Let go of it: it is closed now, or when its thread wakes; from any thread."""
        self._given_up.set()
        if self._source is not None:
            self._source.cancel()
        for item in self._items.drain():
            _release(item)

    def ends(self, timeout_s: float) -> bool:
        """Wait for it to be closed; whether it is."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with self._opener() as source:
                self._source, self._info = source, source.info
                self._opened.set()
                while not self._given_up.is_set() and self._pass_on(source):
                    pass
        except BaseException as error:
            self._error = error
        finally:
            self._items.close()
            self._opened.set()

    def _pass_on(self, source: Source) -> bool:
        """Read once; whether there may be more."""
        try:
            item: Frame | CorruptFrame | None = source.read()
        except CorruptFrame as error:
            item = error
        self._info = source.info
        if item is not None:
            _release(self._items.put(item))
        return item is not None


def _release(item: Frame | CorruptFrame | None) -> None:
    if isinstance(item, Frame):
        item.release()
