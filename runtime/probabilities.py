"""Probabilities of classes at a frame's size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def probabilities(logits: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return the softmax of logits (C, h, w) enlarged to (C, height, width), as decode does it."""
    large = np.stack([cv2.resize(plane, (width, height)) for plane in logits])
    large -= large.max(axis=0)
    np.exp(large, out=large)
    large /= large.sum(axis=0)
    return np.asarray(large, np.float32)
