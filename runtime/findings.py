"""Findings: what post-processing says of a frame besides its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.spec import IGNORE, ClassInfo


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

    def told(self, classes: Sequence[ClassInfo]) -> dict[str, Any]:
        """Return what was found, fit for JSON."""
        found: dict[str, Any] = {}
        if self.polygon is not None:
            found["polygon"] = self.polygon.tolist()
        if (free := self.free) is not None:
            found["free"] = {
                "pixels": free.pixels,
                "metres": _rounded(free.metres),
                "resolution_m": _rounded(free.resolution_m),
                "blocked_by": _class_name(free.blocked_by, classes),
            }
        return found


def _class_name(number: int | None, classes: Sequence[ClassInfo]) -> str | None:
    if number is None or number == IGNORE:
        return None if number is None else "unknown"
    return classes[number].name


def _rounded(metres: float | None) -> float | None:
    return None if metres is None else round(metres, 3)
