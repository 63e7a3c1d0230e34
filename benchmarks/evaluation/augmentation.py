"""Test-time augmentation as --tta takes it: "flip", and scales such as "0.75"."""

from __future__ import annotations

from collections.abc import Sequence

from roadseg.runtime.errors import UsageError

FLIP = "flip"
SMALLEST, LARGEST = 0.25, 4.0


def parse_scales(words: Sequence[str]) -> tuple[float, ...]:
    """Return the scales among the words of --tta; raises UsageError for what is neither."""
    scales = []
    for word in words:
        if word == FLIP:
            continue
        try:
            scale = float(word)
        except ValueError:
            scale = 0.0
        if not SMALLEST <= scale <= LARGEST:
            raise UsageError(
                f"--tta {word}: give flip, and scales from {SMALLEST} to {LARGEST:g} such as 0.75"
            )
        scales.append(scale)
    return tuple(dict.fromkeys(scale for scale in scales if scale != 1))
