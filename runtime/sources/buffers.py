"""Buffers that a source fills again and again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class Buffers:
    """Arrays of one shape, lent and given back; as many are made as are out at the same time.

    ahead: how many are made at once. They are written to, so that memory is taken then and does not
    grow later, when more are out than before for the first time.
    """

    def __init__(self, shape: tuple[int, ...], ahead: int = 0) -> None:
        self.shape = shape
        # append and pop are atomic: threads may share it
        self._free: deque[Pixels] = deque(np.full(shape, 255, np.uint8) for _ in range(ahead))

    def lend(self) -> Pixels:
        """Return a free buffer, or a new one when all are out."""
        try:
            return self._free.pop()
        except IndexError:
            return np.empty(self.shape, np.uint8)

    def returner(self, buffer: Pixels) -> Callable[[], None]:
        """Return what gives the buffer back."""
        return lambda: self.give_back(buffer)

    def give_back(self, buffer: Pixels) -> None:
        """Take a buffer back; one of another shape is let go."""
        if buffer.shape == self.shape:
            self._free.append(buffer)
