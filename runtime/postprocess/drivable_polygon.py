"""polygon: the outline of the drivable area."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from roadseg.runtime.errors import UsageError
from roadseg.runtime.postprocess.base import Stage, Work
from roadseg.runtime.postprocess.class_table import class_table
from roadseg.runtime.postprocess.scratch import Scratch


class DrivablePolygon(Stage):
    """Finds the largest connected drivable area and simplifies its outer contour.

    Contours as Suzuki and Abe follow borders (1985), simplified by Douglas and Peucker (1973), both
    by OpenCV. Holes in the area, such as a car in the middle of it, are not in the outline.

    drivable: class ids.
    tolerance: how far in pixels the outline may be from the area's border.
    """

    name = "polygon"

    def __init__(self, drivable: Sequence[int], tolerance: float = 2) -> None:
        if not 0 <= tolerance <= 1000:
            raise UsageError(f"polygon:{tolerance:g}: the tolerance is 0 to 1000 pixels")
        self.tolerance = tolerance
        self._table = class_table(drivable)
        self._area = Scratch(np.uint8)

    def __call__(self, work: Work) -> None:
        """See Stage."""
        area = self._area.shaped(*work.mask.shape)
        cv2.LUT(work.mask, self._table, dst=area)
        contours, _ = cv2.findContours(area, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        largest = max(contours, key=cv2.contourArea, default=np.empty((0, 1, 2), np.int32))
        if len(largest):
            largest = cv2.approxPolyDP(largest, self.tolerance, True)
        work.findings.polygon = np.asarray(largest, np.int32).reshape(-1, 2)
