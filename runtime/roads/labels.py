"""Class ids that the renderer paints, by name."""

from __future__ import annotations

from roadseg.runtime.road_classes import ROAD_CLASSES

_IDS = {info.name: number for number, info in enumerate(ROAD_CLASSES)}

SKY = _IDS["sky"]
BUILDING = _IDS["building"]
POLE = _IDS["pole"]
ROAD = _IDS["road"]
PAVEMENT = _IDS["pavement"]
TREE = _IDS["tree"]
SIGN = _IDS["sign"]
FENCE = _IDS["fence"]
CAR = _IDS["car"]
PEDESTRIAN = _IDS["pedestrian"]
BICYCLIST = _IDS["bicyclist"]
