"""CutMix for masks: a rectangle of another image, with its labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Pair = tuple[Pixels, Pixels]

SHARES = (0.1, 0.5)  # of the picture's area


def cut_mix(pair: Pair, other: Pair, random: np.random.Generator) -> Pair:
    """Return an image and its mask with a rectangle of another one's (Yun et al., 2019).

    It stays where it is, so that roads stay below and the sky above.
    """
    height, width = pair[1].shape
    side = np.sqrt(random.uniform(*SHARES))
    h, w = round(height * side), round(width * side)
    y, x = int(random.integers(0, height - h + 1)), int(random.integers(0, width - w + 1))
    part = slice(y, y + h), slice(x, x + w)
    image, mask = pair[0].copy(), pair[1].copy()
    image[part], mask[part] = other[0][part], other[1][part]
    return image, mask
