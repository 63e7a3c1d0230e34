"""Scratch: a buffer that is made again only when frames change their size."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


class Scratch(Generic[T]):
    """Gives the same array for the same shape; what it holds is the last use's."""

    def __init__(self, dtype: type[T]) -> None:
        self._array: NDArray[T] = np.empty(0, dtype)

    def shaped(self, *shape: int) -> NDArray[T]:
        """Return an array of this shape."""
        if self._array.shape != shape:
            self._array = np.zeros(shape, self._array.dtype)
        return self._array
