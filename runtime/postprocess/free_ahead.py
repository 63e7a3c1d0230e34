"""free: how far the way straight ahead is drivable."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.camera_model import CameraModel
from roadseg.runtime.errors import UsageError
from roadseg.runtime.findings import FreeDistance
from roadseg.runtime.postprocess.base import Stage, Work
from roadseg.runtime.postprocess.class_table import class_table
from roadseg.runtime.postprocess.corridor import Corridor
from roadseg.runtime.postprocess.scratch import Scratch


class FreeAhead(Stage):
    """Follows a corridor up from the bottom of the picture to the first row that is not free.

    A row is free while no more than `share` of its pixels in the corridor are of classes that are
    not drivable, unknown ones included. The corridor is as wide as the vehicle with a camera model,
    without one a tenth of the picture.

    drivable: class ids.
    """

    name = "free"

    def __init__(
        self, drivable: Sequence[int], camera: CameraModel | None, share: float = 0.2
    ) -> None:
        if not 0 <= share < 1:
            raise UsageError(f"free:{share:g}: the share of a row that may be blocked is 0 to 1")
        self._camera, self._share = camera, share
        self._table = class_table(drivable, inside=0, outside=1)
        self._blocked = Scratch(np.uint8)
        self._corridor: Corridor | None = None

    def __call__(self, work: Work) -> None:
        """See Stage; raises UsageError when the camera model is of another shape."""
        corridor, shape = self._corridor, work.mask.shape
        if corridor is None or (corridor.height, corridor.width) != shape:
            height, width = shape
            corridor = self._corridor = Corridor(width, height, self._camera)
        mask = work.mask[corridor.box]
        blocked = self._blocked.shaped(*mask.shape)
        cv2.LUT(mask, self._table, dst=blocked)
        cv2.bitwise_and(blocked, corridor.inside, dst=blocked)
        counts = np.asarray(cv2.reduce(blocked, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S))[:, 0]
        rows = np.flatnonzero(counts > self._share * corridor.pixels)
        last = len(counts) - 1
        work.findings.free = (
            self._until(corridor, int(rows[-1]), mask)
            if rows.size
            else FreeDistance(last + 1, -1, 0, 0)
        )

    def _until(self, corridor: Corridor, place: int, mask: NDArray[np.uint8]) -> FreeDistance:
        """Return the distance to a blocked row, given by its place in the corridor's box."""
        row, left = corridor.top + place, corridor.left
        across = np.flatnonzero(corridor.inside[place])
        ids = mask[place, across]
        near, far = (self._metres(corridor, row + side) for side in (0.5, -0.5))
        return FreeDistance(
            pixels=len(mask) - 1 - place,
            row=row,
            left=left + int(across[0]),
            right=left + int(across[-1]),
            metres=near,
            resolution_m=None if near is None or far is None else far - near,
            blocked_by=int(np.bincount(ids[self._table[ids] > 0]).argmax()),
        )

    @staticmethod
    def _metres(corridor: Corridor, v: float) -> float | None:
        metres = corridor.camera.distance(v) if corridor.camera else math.inf
        return metres if math.isfinite(metres) else None
