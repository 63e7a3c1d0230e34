"""Handover: from one thread to the next, in order, or the newest only."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """A bounded queue that can be closed.

    newest_only: a put to a full queue replaces what waits longest, instead of waiting for room.
    """

    def __init__(self, capacity: int, newest_only: bool = False) -> None:
        self._capacity = capacity
        self._newest_only = newest_only
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: T) -> T | None:
        """Hand over; returns what nobody will get: the item replaced, or this one once closed."""
        with self._changed:
            replaced = None
            if self._newest_only and len(self._items) >= self._capacity and not self._closed:
                replaced = self._items.popleft()
            while len(self._items) >= self._capacity and not self._closed:
                self._changed.wait()
            if self._closed:
                return item
            self._items.append(item)
            self._changed.notify_all()
            return replaced

    def has_room(self) -> bool:
        """Whether a put would neither wait nor replace."""
        with self._changed:
            return len(self._items) < self._capacity

    def get(self, timeout_s: float | None = None) -> T | None:
        """Return the next item, or None when the queue is closed and empty.

        Raises TimeoutError when neither came in `timeout_s` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._closed, timeout_s):
                raise TimeoutError
            item = self._items.popleft() if self._items else None
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """No more is put; what is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def drain(self) -> list[T]:
        """Close, and return what nobody took."""
        self.close()
        with self._changed:
            left = list(self._items)
            self._items.clear()
            return left
