"""Opening with a limit: a device that stalls holds whoever opens it for many seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from roadseg.runtime.errors import SourceStalled


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Give it back."""


T = TypeVar("T", bound=Closable)


def open_within(seconds: float, name: str, opener: Callable[[], T]) -> T:
    """Return what `opener` opens, or raise what it raises.

    Raises SourceStalled after `seconds`. No signal ends a thread that waits in the kernel, so it is
    left to itself: it closes what it may open in the end, and a process waits for it at its exit.
    """
    attempt = _Attempt(opener)
    threading.Thread(target=attempt.run, name=f"open {name}", daemon=True).start()
    if not attempt.ended.wait(seconds) and attempt.give_up():
        raise SourceStalled(f"{name} cannot be opened: no answer for {seconds:g} s")
    if attempt.opened is None:
        assert attempt.error is not None
        raise attempt.error
    return attempt.opened


class _Attempt(Generic[T]):
    """One opening, in a thread of its own. Who comes second, the end or the limit, cleans up."""

    def __init__(self, opener: Callable[[], T]) -> None:
        self._opener = opener
        self._lock = threading.Lock()
        self._given_up = False
        self.ended = threading.Event()
        self.opened: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.opened = self._opener()
        except BaseException as error:
            self.error = error
        with self._lock:
            self.ended.set()
            if self._given_up and self.opened is not None:
                self.opened.close()

    def give_up(self) -> bool:
        """Whether it had not ended."""
        with self._lock:
            self._given_up = not self.ended.is_set()
            return self._given_up
