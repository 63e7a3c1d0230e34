"""Buffers that a source fills again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class Buffers:
    """Arrays of one shape, lent and given back; as many are made as are out at the same time."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._free: deque[Pixels] = deque()  # append and pop are atomic: threads may share it

    def lend(self) -> Pixels:
        """Return a free buffer, or a new one when all are out."""
        try:
            return self._free.pop()
        except IndexError:
            return np.empty(self.shape, np.uint8)

    def returner(self, buffer: Pixels) -> Callable[[], None]:
        """Return what gives the buffer back."""
        return lambda: self._free.append(buffer)
