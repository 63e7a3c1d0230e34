"""CutMix for masks: a rectangle of another image, with its labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Pair = tuple[Pixels, Pixels]

SHARES = (0.1, 0.5)  # of the picture's area


def cut_mix(
    pairs: Sequence[Pair], chance: float, randoms: Sequence[np.random.Generator]
) -> list[Pair]:
    """Give some pairs of image and mask a rectangle of the next pair (Yun et al., 2019).

    It stays where it is, so that roads stay below and the sky above (French et al., 2020, cut masks
    alike). Each pair has its own generator.
    """
    mixed = []
    for place, (pair, random) in enumerate(zip(pairs, randoms, strict=True)):
        other = pairs[(place + 1) % len(pairs)]
        mixed.append(_with_part(pair, other, random) if random.random() < chance else pair)
    return mixed


def _with_part(pair: Pair, other: Pair, random: np.random.Generator) -> Pair:
    height, width = pair[1].shape
    side = np.sqrt(random.uniform(*SHARES))
    h, w = round(height * side), round(width * side)
    y, x = int(random.integers(0, height - h + 1)), int(random.integers(0, width - w + 1))
    part = slice(y, y + h), slice(x, x + w)
    image, mask = pair[0].copy(), pair[1].copy()
    image[part], mask[part] = other[0][part], other[1][part]
    return image, mask
