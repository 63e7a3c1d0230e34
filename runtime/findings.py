"""Findings: what post-processing says of a frame besides its mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FreeDistance:
    """How far straight ahead is drivable, from the bottom of the picture.

    pixels: rows that are free.
    left, right: ends of the first row that is not, within the corridor; row is that row.
        Where all is free, row is -1.
    metres: from the camera to where that row's ground begins, None without a camera model or when
        the free part reaches the horizon.
    resolution_m: metres of ground that one row covers there; no distance is finer than that.
    blocked_by: the class id seen most in that row of the corridor, 255 for unknown, None where all
        is free.
    """

    pixels: int
    row: int
    left: int
    right: int
    metres: float | None = None
    resolution_m: float | None = None
    blocked_by: int | None = None


@dataclass
class Findings:
    """What stages found; None where it was not asked for.

    polygon: (N, 2) int32, corners (x, y) of the largest drivable area; N is 0 where there is none.
    free: the way straight ahead.
    """

    polygon: NDArray[np.int32] | None = None
    free: FreeDistance | None = None
