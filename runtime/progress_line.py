"""One line on standard error that says how far long work is."""

from __future__ import annotations

import sys
import time
from typing import TextIO

QUIET_SECONDS = 10.0  # between lines where the line cannot be rewritten (a CI log)


class Progress:
    """Show the latest state: rewritten in place on a terminal, a line now and then elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty()
        self.started = self.shown = time.monotonic()

    def __call__(self, words: str) -> None:
        """Show words; elsewhere than on a terminal only after a while."""
        now = time.monotonic()
        if self.terminal:
            self.stream.write(f"\r\x1b[K{words}")
        elif now - self.shown >= QUIET_SECONDS:
            self.stream.write(f"{words}\n")
        else:
            return
        self.shown = now
        self.stream.flush()

    def count(self, done: int, total: int, unit: str) -> None:
        """Show "done/total unit", the rate since `restart` and the time left."""
        rate = done / max(time.monotonic() - self.started, 1e-9)
        minutes, seconds = divmod(round((total - done) / max(rate, 1e-9)), 60)
        self(f"{done}/{total} {unit}, {rate:.1f}/s, {minutes}:{seconds:02d} left")

    def restart(self) -> None:
        """Count the rate from now on."""
        self.started = time.monotonic()

    def clear(self) -> None:
        """Take the line away."""
        if self.terminal:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
