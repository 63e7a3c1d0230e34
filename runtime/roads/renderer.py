"""The painter: a scene at a moment, from far to near."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from roadseg.runtime.roads.air import Lens, Sky, glow
from roadseg.runtime.roads.camera import Camera
from roadseg.runtime.roads.canvas import Canvas
from roadseg.runtime.roads.cars import car_lights, paint_car
from roadseg.runtime.roads.ground import Ground
from roadseg.runtime.roads.houses import paint_fence, paint_house
from roadseg.runtime.roads.roadside import (
    paint_bicyclist,
    paint_lamp,
    paint_person,
    paint_sign,
    paint_tree,
)
from roadseg.runtime.roads.scene import CELL, Scene, Thing, furnish, traffic
from roadseg.runtime.roads.weather import Pixels

REACH = 176.0  # metres that are furnished
HORIZON = 0.45  # of the height
MARGIN = 18.0  # metres that a thing can reach from its place


Paint = Callable[[Canvas, Thing, float], None]

PAINT: dict[str, Paint] = {
    "house": lambda canvas, thing, _: paint_house(canvas, thing),
    "fence": lambda canvas, thing, _: paint_fence(canvas, thing),
    "tree": lambda canvas, thing, _: paint_tree(canvas, thing),
    "car": lambda canvas, thing, _: paint_car(canvas, thing),
    "lamp": lambda canvas, thing, _: paint_lamp(canvas, thing),
    "sign": lambda canvas, thing, _: paint_sign(canvas, thing),
    "person": paint_person,
    "bicyclist": paint_bicyclist,
}


class RoadRenderer:
    """Renders a scene at one size; a frame depends on its number and the scene alone.

    The classes are those of road_classes. Every pixel has one; the far skyline is that of what
    would be there.
    """

    def __init__(self, scene: Scene, width: int, height: int, fps: float = 30.0) -> None:
        self.scene, self.width, self.height, self.fps = scene, width, height, fps
        self.ground = Ground(scene)
        self.sky = Sky(scene, width, height)
        self.lens = Lens(scene, width, height)

    def render(self, number: int, picture: Pixels, mask: Pixels) -> None:
        """Fill picture (height, width, 3) BGR and mask (height, width) with a frame."""
        seconds = number / self.fps
        s = self.scene.speed * seconds
        horizon = self.height * (
            HORIZON + 0.003 * np.sin(seconds * 9) + 0.002 * np.sin(seconds * 5)
        )
        camera = Camera(self.scene, self.width, self.height, s, float(horizon))
        canvas = Canvas(picture, mask, camera)
        self.ground.paint(canvas)
        self.sky.paint(canvas)
        things = [each for each in self._things(s, seconds) if camera.sees(each.t, each.s, MARGIN)]
        for thing in things:
            PAINT[thing.kind](canvas, thing, seconds)
        canvas.finish()
        self.lens.apply(picture, number)
        if self.scene.weather.night:
            self._glow(canvas, things)

    def _things(self, s: float, seconds: float) -> list[Thing]:
        """Return all that is in reach, what is hidden by nothing last.

        Cells are painted from far to near; in a cell what stands further out comes first.
        """
        first, last = int((s - 2 * CELL) // CELL), int((s + REACH) // CELL)
        cells: dict[int, list[Thing]] = defaultdict(list)
        for cell in range(first, last + 1):
            for side in (-1, 1):
                cells[cell] += furnish(self.scene, cell, side)
        for thing in traffic(self.scene, s, seconds, REACH):
            cells[int(thing.s // CELL)].append(thing)
        ordered: list[Thing] = []
        for cell in sorted(cells, reverse=True):
            ordered += sorted(cells[cell], key=lambda each: (-round(abs(each.t)), -each.s))
        return ordered

    def _glow(self, canvas: Canvas, things: list[Thing]) -> None:
        """Light the lamps; what stands before a lamp does not hide its glow."""
        for thing in things:
            if thing.kind == "lamp":
                inward = -1 if thing.t > 0 else 1
                spot = (thing.t + inward * 1.6, thing.size + 0.2, thing.s)
                (where,) = canvas.camera.place([spot])
                if where[2] > 2:
                    glow(canvas, where, 1.5, (120, 190, 230))
            elif thing.kind == "car" and abs(thing.t) < self.scene.half_width - 1.2:
                for where, color in car_lights(canvas.camera, thing):
                    glow(canvas, where, 0.45, color)
