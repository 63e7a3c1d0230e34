"""The live line of seg-run, on a terminal only; and what is new of a live source, always."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable

from roadseg.runtime.ledger import Ledger
from roadseg.runtime.outages import SourceState, SourceStatus

EVERY_S = 0.2


class LiveLine:
    """Redraws one line on stderr: frames, rate, age of the last mask, time left.

    Threads may share it: each call prints once.

    log: takes the kind and text of what is new of a source, instead of stderr.
    """

    def __init__(self, log: Callable[[str, str], None] | None = None) -> None:
        self._log = log
        self._tty = sys.stderr.isatty()
        self._drawn = 0.0
        self.start(0)

    def start(self, frames: int) -> None:
        """Begin to count time; `frames` is how many there will be, 0 where that is not known."""
        self._frames, self._start = frames, time.monotonic()

    def show(self, ledger: Ledger, age_ns: int) -> None:
        """Redraw, at most five times a second."""
        now = time.monotonic()
        done = ledger.shown + 1
        rate = done / max(now - self._start, 1e-9)
        of = f"/{self._frames}" if self._frames else ""
        left = f"  {(self._frames - done) / rate:.0f} s left" if self._frames else ""
        self._draw(f"frame {done}{of}  {rate:.1f} FPS  age {age_ns / 1e6:.0f} ms{left}")

    def tell(self, status: SourceStatus) -> None:
        """Print what is new of a source, or redraw how long it has been away."""
        away = (time.monotonic_ns() - status.since_ns) / 1e9
        reason = f": {status.reason}" if status.reason else ""
        if status.changed and (reason or status.state is not SourceState.LIVE):
            self.clear()
            self._news(f"source {status.state.value}", reason)
        elif status.state is not SourceState.LIVE:
            tried = f", attempt {status.attempts + 1}" if status.attempts else ""
            self._draw(f"source {status.state.value} for {away:.0f} s{tried}{reason}")

    def _news(self, kind: str, reason: str) -> None:
        if self._log:
            self._log(kind, kind + reason)
        else:
            print(kind + reason, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        self._redraw("")

    def _draw(self, text: str) -> None:
        now = time.monotonic()
        if self._tty and now - self._drawn >= EVERY_S:
            self._drawn = now
            self._redraw(text)

    def _redraw(self, text: str) -> None:
        if self._tty:
            with contextlib.suppress(OSError):  # the terminal is gone; a hangup ends the run
                print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)
