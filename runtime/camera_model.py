"""CameraModel: where a point of the road is seen, and how far away what is seen lies.

The road is taken for a flat plane, the picture for free of distortion (cv2.undistort before, where
it matters). With the camera `h` metres above the road and looking down by the pitch p, the road's
point x to the right and z ahead of the camera's foot is seen at (u, v),

    depth = z cos p + h sin p
    u = fx x / depth + cx
    v = fy (h cos p - z sin p) / depth + cy

a homography between road and picture: the bird's-eye view, or inverse perspective mapping (Hartley
and Zisserman, Multiple View Geometry, 2nd edition, section 8.1; Bertozzi and Broggi, GOLD, 1998).
Solved for z with y = (v - cy) / fy:

    z = h (cos p - y sin p) / (y cos p + sin p)

The horizon is at y = -tan p. A distance is as good as the pitch: at 30 m and a height of 1.45 m,
half a degree more or less is about 5 m.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import UsageError, unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDED = 80.0  # degrees; a camera that looks down further sees no road ahead


@dataclass(frozen=True)
class CameraModel:
    """A pinhole camera on a vehicle, as OpenCV's calibration gives it.

    width, height: of the pictures that it was calibrated with, in pixels.
    fx, fy: focal lengths in pixels.
    cx, cy: the principal point in pixels; whole numbers are the middles of pixels.
    height_m: of the camera above the road.
    pitch_deg: how far it looks down.
    vehicle_width_m: of the corridor that has to be free.
    hood_rows: rows at the bottom of the picture that show the vehicle itself.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    height_m: float
    pitch_deg: float
    vehicle_width_m: float = 1.9
    hood_rows: int = 0

    def __post_init__(self) -> None:
        """Check values."""
        for name in ("width", "height", "fx", "fy", "height_m", "vehicle_width_m"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}: it must be more than 0")
        for name in ("cx", "cy"):
            if not math.isfinite(getattr(self, name)):
                raise UsageError(f"{name} is {getattr(self, name)}: it must be a place in pixels")
        if not abs(self.pitch_deg) <= FOLDED:
            raise UsageError(f"pitch_deg is {self.pitch_deg}: -{FOLDED:g} to {FOLDED:g} degrees")
        if not 0 <= self.hood_rows < self.height:
            raise UsageError(f"hood_rows is {self.hood_rows}: 0 to {self.height - 1}")

    @classmethod
    def read(cls, path: str | Path) -> CameraModel:
        """Read a TOML file of the fields; raises UsageError with the file's name."""
        try:
            raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or error}") from None
        except ValueError as error:
            raise UsageError(f"{path}: not TOML ({error})") from None
        try:
            return cls(**_checked(raw))
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None

    def resized(self, width: int, height: int) -> CameraModel:
        """Return the model for pictures of another size; raises UsageError for another shape."""
        x, y = width / self.width, height / self.height
        if abs(x / y - 1) > 0.01:
            raise UsageError(
                f"the camera model is of {self.width}x{self.height}, frames are {width}x{height}: "
                "they must have the same shape"
            )
        return dataclasses.replace(
            self,
            width=width,
            height=height,
            fx=self.fx * x,
            fy=self.fy * y,
            cx=(self.cx + 0.5) * x - 0.5,
            cy=(self.cy + 0.5) * y - 0.5,
            hood_rows=round(self.hood_rows * y),
        )

    @property
    def homography(self) -> NDArray[np.float64]:
        """The (3, 3) matrix from the road (x, z, 1), metres, to the picture (u, v, 1)."""
        cos, sin = math.cos(math.radians(self.pitch_deg)), math.sin(math.radians(self.pitch_deg))
        h = self.height_m
        return np.array(
            [
                [self.fx, self.cx * cos, self.cx * h * sin],
                [0, self.cy * cos - self.fy * sin, h * (self.fy * cos + self.cy * sin)],
                [0, cos, h * sin],
            ]
        )

    @property
    def horizon(self) -> float:
        """The row in which the road's end is seen."""
        return self.cy - self.fy * math.tan(math.radians(self.pitch_deg))

    def distance(self, v: float) -> float:
        """Return how many metres ahead the road seen at row v lies; inf at the horizon and above.

        Half rows are borders between rows: row 3 ends at 3.5.
        """
        pitch, y = math.radians(self.pitch_deg), (v - self.cy) / self.fy
        below = y * math.cos(pitch) + math.sin(pitch)
        if below <= 1e-12:  # what rounding leaves of nothing
            return math.inf
        return self.height_m * (math.cos(pitch) - y * math.sin(pitch)) / below

    def corridor(self, v: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where the vehicle's corridor begins and ends (u) in rows v below the horizon."""
        z = np.array([self.distance(float(row)) for row in v])
        ends = []
        for side in (-0.5, 0.5):
            road = np.stack([np.full_like(z, side * self.vehicle_width_m), z, np.ones_like(z)])
            u, _, w = self.homography @ road
            ends.append(u / w)
        return ends[0], ends[1]


def _checked(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a file's values; raises UsageError for names and types that do not fit."""
    fields = {one.name: one for one in dataclasses.fields(CameraModel)}
    for name, value in raw.items():
        if name not in fields:
            raise unknown("name", name, fields)
        kinds = (int,) if fields[name].type == "int" else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            wanted = "a whole number" if kinds == (int,) else "a number"
            raise UsageError(f"{name} is {value!r}, not {wanted}")
    for name, one in fields.items():
        if name not in raw and one.default is dataclasses.MISSING:
            raise UsageError(f"there is no {name}")
    return raw
