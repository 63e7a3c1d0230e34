"""The classes of the networks and roads in the package: CamVid's eleven, in SegNet's order."""

from __future__ import annotations

from roadseg.runtime.spec import ClassInfo

ROAD_CLASSES = (
    ClassInfo("sky", (128, 128, 128)),
    ClassInfo("building", (128, 0, 0)),
    ClassInfo("pole", (192, 192, 128)),
    ClassInfo("road", (128, 64, 128), drivable=True),
    ClassInfo("pavement", (60, 40, 222)),
    ClassInfo("tree", (128, 128, 0)),
    ClassInfo("sign", (192, 128, 128)),
    ClassInfo("fence", (64, 64, 128)),
    ClassInfo("car", (64, 0, 128)),
    ClassInfo("pedestrian", (64, 64, 0)),
    ClassInfo("bicyclist", (0, 128, 192)),
)
