"""Bilinear interpolation in float64, the reference of what resizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def resize_axis(values: NDArray[np.float64], size: int, axis: int) -> NDArray[np.float64]:
    """Bilinear along one axis, half-pixel centres, edges clamped."""
    source = values.shape[axis]
    position = ((np.arange(size) + 0.5) * source / size - 0.5).clip(0, source - 1)
    low = position.astype(int)
    high = np.minimum(low + 1, source - 1)
    weight = (position - low).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    return values.take(low, axis) * (1 - weight) + values.take(high, axis) * weight
