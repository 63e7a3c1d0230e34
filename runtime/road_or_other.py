"""The two classes of a road mask that tells the road from all the rest."""

from __future__ import annotations

from roadseg.runtime.spec import ClassInfo

ROAD, OTHER = 0, 1
ROAD_OR_OTHER = (
    ClassInfo("road", (128, 64, 128), drivable=True),
    ClassInfo("other", (70, 70, 70)),
)
