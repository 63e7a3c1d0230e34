"""A renderer of road scenes: pictures and exact masks, drawn from a seed."""

from __future__ import annotations

from roadseg.runtime.roads.renderer import RoadRenderer
from roadseg.runtime.roads.scene import PLACES, Scene, check_seed, make_scene
from roadseg.runtime.roads.weather import WEATHERS

__all__ = ["PLACES", "WEATHERS", "RoadRenderer", "Scene", "check_seed", "make_scene"]
