"""How sure an mIoU is: a bootstrap over drives, since frames of one drive are no new evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
RESAMPLES = 2000
LEAST_GROUPS = 3  # with two there are but three different resamples


def miou_interval(
    groups: Sequence[NDArray[np.int64]], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Return the percentile interval of the mIoU when drives are drawn again, with replacement.

    groups: a confusion matrix (C, C) for each drive.
    Returns level, low, high (0 to 1), groups, resamples and seed; {} with fewer than LEAST_GROUPS
    drives. Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979.
    """
    if len(groups) < LEAST_GROUPS:
        return {}
    counts = np.stack(groups).astype(float)
    drawn = np.random.default_rng(seed).multinomial(
        len(groups), np.full(len(groups), 1 / len(groups)), size=resamples
    )
    matrices = np.tensordot(drawn.astype(float), counts, axes=1)
    hit = np.diagonal(matrices, axis1=1, axis2=2)
    union = matrices.sum(1) + matrices.sum(2) - hit
    iou = np.divide(hit, union, out=np.full_like(hit, np.nan), where=union > 0)
    edge = (1 - LEVEL) / 2 * 100
    low, high = np.nanpercentile(np.nanmean(iou, axis=1), (edge, 100 - edge))
    return {
        "level": LEVEL,
        "low": round(float(low), 6),
        "high": round(float(high), 6),
        "groups": len(groups),
        "resamples": resamples,
        "seed": seed,
    }
