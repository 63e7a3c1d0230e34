"""Camera: where points of the road are seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.roads.scene import Scene

NEAR = 1.2  # metres; what is nearer is cut off

Points = NDArray[np.float64]


class Camera:
    """A pinhole camera over its lane. Camera space: x right, y up from the road, z ahead (m).

    s: where it is on the road.
    horizon: row in pixels.
    focal: length in pixels.
    eye: height in metres.
    """

    def __init__(self, scene: Scene, width: int, height: int, s: float, horizon: float) -> None:
        self.scene, self.width, self.height, self.s, self.horizon = scene, width, height, s, horizon
        self.focal = 0.82 * width
        self.eye = 1.45
        self._lane = float(scene.middle(np.array(s))) + scene.own_lane
        self._heading = scene.heading(s)

    def swing(self, z: Points) -> Points:
        """Return where the middle of the road is at z: metres to the right of the optical axis."""
        return self.scene.middle(z + self.s) - self._heading * z - self._lane

    def place(self, points: Sequence[tuple[float, float, float]] | Points) -> Points:
        """Road coordinates (t, y, s) to camera space (n, 3)."""
        placed = np.array(points, np.float64)
        placed[:, 2] -= self.s
        placed[:, 0] += self.swing(placed[:, 2])
        return placed

    def project(self, points: Points) -> Points:
        """Camera space (n, 3) to pixels (n, 2); z must be positive."""
        scale = self.focal / points[:, 2]
        pixels = np.empty((len(points), 2))
        pixels[:, 0] = points[:, 0] * scale + self.width / 2
        pixels[:, 1] = (self.eye - points[:, 1]) * scale + self.horizon
        return pixels

    def sees(self, t: float, s: float, margin: float) -> bool:
        """Whether something within `margin` metres of a place can be in the picture."""
        z = s - self.s
        if z < -margin:
            return False
        x = t + float(self.swing(np.array(z)))
        return abs(x) - margin < (max(z, 0) + margin) * self.width / 2 / self.focal


def clipped(points: Points) -> Points:
    """Cut a polygon in camera space at the near plane (Sutherland and Hodgman 1974)."""
    if points[:, 2].min() >= NEAR:
        return points
    kept: list[Points] = []
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        if a[2] >= NEAR:
            kept.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            kept.append(a + (b - a) * (NEAR - a[2]) / (b[2] - a[2]))
    return np.array(kept).reshape(-1, 3)
