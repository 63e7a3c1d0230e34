"""Handover: from one thread to the next, in order, or the newest only."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Handover(Generic[T]):
    """A bounded queue that can be closed.

    Both sides wait in C: a thread that rested for a frame's time finds Python's code in no cache,
    so each line of it would cost when it wakes.

    newest_only: a put to a full queue replaces what waits longest, instead of waiting for room.
    """

    def __init__(self, capacity: int, newest_only: bool = False) -> None:
        self._capacity = capacity
        self._newest_only = newest_only
        self._items: SimpleQueue[T | None] = SimpleQueue()  # None: closed, nothing comes behind it
        self._room: SimpleQueue[None] = SimpleQueue()  # an entry for each item that has room
        for _ in range(capacity):
            self._room.put(None)
        self._lock = Lock()  # nothing is put behind the end
        self._closed = False

    def put(self, item: T) -> T | None:
        """Hand over; returns what nobody will get: the item replaced, or this one once closed."""
        if not self._newest_only:
            self._room.get()
        with self._lock:
            if self._closed:
                self._room.put(None)  # wakes the next one that waits
                return item
            replaced = self._oldest() if self._newest_only and not self.has_room() else None
            self._items.put(item)
            return replaced

    def _oldest(self) -> T | None:
        try:
            return self._items.get_nowait()
        except Empty:
            return None  # was taken just now

    def has_room(self) -> bool:
        """Whether a put would neither wait nor replace."""
        return self._items.qsize() < self._capacity

    def get(self, timeout_s: float | None = None) -> T | None:
        """Return the next item, or None when the queue is closed and empty.

        Raises TimeoutError when neither came in `timeout_s` seconds.
        """
        try:
            item = self._items.get(timeout=timeout_s)
        except Empty:
            raise TimeoutError from None
        if item is None:
            self._items.put(None)  # for whoever asks again
        elif not self._newest_only:
            self._room.put(None)
        return item

    def close(self) -> None:
        """No more is put; what is there can still be taken."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._items.put(None)
                self._room.put(None)

    def interrupt(self) -> None:
        """Let get return None once what is there has been taken; a signal's handler may call it."""
        self._items.put(None)

    def drain(self) -> list[T]:
        """Close, and return what nobody took."""
        self.close()
        left = []
        while (item := self._items.get()) is not None:
            left.append(item)
        self._items.put(None)
        return left
