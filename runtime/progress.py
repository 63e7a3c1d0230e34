"""The live line of seg-run, on a terminal only."""

from __future__ import annotations

import sys
import time

from roadseg.runtime.ledger import Ledger

EVERY_S = 0.2


class LiveLine:
    """Redraws one line on stderr: frames, rate, age of the last mask, time left.

    frames: how many there will be, 0 where that is not known.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._tty = sys.stderr.isatty()
        self._start = self._drawn = time.monotonic()

    def show(self, ledger: Ledger, age_ns: int) -> None:
        """Redraw, at most five times a second."""
        now = time.monotonic()
        if not self._tty or now - self._drawn < EVERY_S:
            return
        self._drawn = now
        done = ledger.shown + 1
        rate = done / (now - self._start)
        of = f"/{self._frames}" if self._frames else ""
        left = f"  {(self._frames - done) / rate:.0f} s left" if self._frames else ""
        text = f"\rframe {done}{of}  {rate:.1f} FPS  age {age_ns / 1e6:.0f} ms{left}\033[K"
        print(text, end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._tty:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
