"""Decode: an engine's low-resolution logits to a mask, upsampling and argmax in one native pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime import _native
from roadseg.runtime.arrays import check_array, check_contiguous, check_writable

MAX_CLASSES = 32


def decode(
    logits: NDArray[np.float32],
    mask: NDArray[np.uint8],
    confidence: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Fill `mask` with the class of the largest logit at each of its pixels; return it.

    The logits are resized bilinearly with half-pixel centres (torch's align_corners=False), and
    never exist at the mask's size. Of equal logits the first class wins.

    logits: (C, h, w) float32, contiguous, finite; 2 to 32 classes.
    mask: (H, W) uint8, of any size; rows may be padded.
    confidence: (H, W) uint8 or None: filled with round(255 * softmax of the winning class), which
    takes several times as long.
    Raises ValueError when a shape, dtype or stride does not fit.
    """
    check_array(logits, "logits", ("classes", "h", "w"), np.float32)
    check_contiguous(logits, "logits")
    if not 2 <= len(logits) <= MAX_CLASSES:
        raise ValueError(f"logits: 2 to {MAX_CLASSES} classes can be decoded, not {len(logits)}")
    check_array(mask, "mask", ("H", "W"))
    check_writable(mask, "mask")
    if confidence is not None:
        check_array(confidence, "confidence", mask.shape)
        check_writable(confidence, "confidence")
    _native.decode(logits, mask, confidence)
    return mask


def count_classes(mask: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Return how many pixels of `mask` (H, W) uint8 have each id below `classes`, as (classes,)."""
    check_array(mask, "mask", ("H", "W"))
    if not 0 < classes <= 256:
        raise ValueError(f"1 to 256 classes can be counted, not {classes}")
    counts = np.zeros(256, np.int64)
    _native.count_ids(mask, counts)
    return counts[:classes]
