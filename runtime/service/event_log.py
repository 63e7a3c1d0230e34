"""A log that a camera with a loose contact cannot fill: one line of a kind in an interval."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

INTERVAL_S = 10.0


def _to_stderr(line: str) -> None:
    print(f"seg-run: {line}", file=sys.stderr, flush=True)


@dataclass
class _Kind:
    """Events of one kind: when the next line may be told, and what was not told since."""

    quiet_until: float
    suppressed: int = 0
    latest: str = ""


class EventLog:
    """Tells the first event of a kind at once; of those that follow within the interval the latest,
    when the interval is over, with how many there were. Threads may share it.
    """

    def __init__(
        self,
        interval_s: float = INTERVAL_S,
        write: Callable[[str], None] = _to_stderr,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval_s, self._write, self._clock = interval_s, write, clock
        self._kinds: dict[str, _Kind] = {}
        self._lock = threading.Lock()

    def tell(self, kind: str, text: str) -> None:
        """Tell an event, now or later."""
        now = self._clock()
        with self._lock:
            known = self._kinds.get(kind)
            if known and now < known.quiet_until:
                known.suppressed += 1
                known.latest = text
                return
            self._write(_line(text, known.suppressed if known else 0))
            self._kinds[kind] = _Kind(now + self._interval_s)

    def flush(self, all_kinds: bool = False) -> None:
        """Tell what waits and whose interval is over; with `all_kinds` all that waits."""
        now = self._clock()
        with self._lock:
            for kind, known in self._kinds.items():
                if known.suppressed and (all_kinds or now >= known.quiet_until):
                    self._write(_line(known.latest, known.suppressed - 1))
                    self._kinds[kind] = _Kind(now + self._interval_s)


def _line(text: str, suppressed: int) -> str:
    if not suppressed:
        return text
    return f"{text} ({suppressed} line{'s' * (suppressed > 1)} like it left out)"
