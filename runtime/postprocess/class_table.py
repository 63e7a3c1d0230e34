"""A table for OpenCV's LUT: which ids belong to some classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def class_table(classes: Sequence[int], inside: int = 1, outside: int = 0) -> NDArray[np.uint8]:
    """Return (256,) uint8: `inside` at the ids in `classes`, `outside` at all others."""
    table = np.full(256, outside, np.uint8)
    table[list(classes)] = inside
    return table
