"""Houses and fences: boxes along the road, with walls that have windows."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from roadseg.runtime.roads.camera import NEAR
from roadseg.runtime.roads.canvas import Canvas
from roadseg.runtime.roads.labels import BUILDING, FENCE
from roadseg.runtime.roads.scene import CELL, Thing
from roadseg.runtime.roads.weather import Color, Pixels, Weather

TEXELS = 22  # a metre of wall
DEPTH = 10.0  # metres of a house away from the road
STOREY = 3.1
WALLS = (
    (150, 172, 188), (120, 138, 172), (88, 104, 148),
    (176, 186, 192), (140, 150, 152), (96, 122, 168),
)  # fmt: skip
ROOFS = ((60, 66, 98), (66, 68, 72), (72, 84, 120))
GLASS = ((96, 84, 70), (120, 104, 84), (70, 64, 56))
LAMPLIGHT = ((90, 170, 235), (110, 190, 245), (70, 140, 210))
FRAME = (205, 210, 212)
FENCES = ((86, 104, 128), (150, 156, 158), (70, 80, 84))
PLAIN_FROM = 40.0  # metres; beyond it details are smaller than pixels


def paint_house(canvas: Canvas, thing: Thing) -> None:
    """Paint a house: its wall along the road, the one that faces the camera, its roof."""
    random = np.random.default_rng(thing.variant)
    pitched = thing.size < 3.5 * STOREY
    length = CELL * (random.uniform(0.62, 0.8) if pitched else 1.0)
    side = 1 if thing.t > 0 else -1
    inner, outer = thing.t, thing.t + side * DEPTH
    if pitched:
        _roof(canvas, thing, length, side, random)
    front = [(inner, thing.s), (outer, thing.s)]
    along = [(inner, thing.s + length), (inner, thing.s)]
    for number, (base, width) in enumerate(((front, DEPTH), (along, length))):
        wall = facade(thing.variant + number, width, thing.size, canvas.weather)
        _wall(canvas, base if side > 0 else base[::-1], thing.size, wall)


def _wall(canvas: Canvas, base: list[tuple[float, float]], height: float, wall: Pixels) -> None:
    """Paint a wall over two points (t, s) of the ground, left to right, cut at the near plane."""
    ends = canvas.camera.place([(t, 0.0, s) for t, s in base])
    if (ends[:, 2] < NEAR).all():
        return
    for behind, other in ((0, 1), (1, 0)):
        if ends[behind, 2] < NEAR:
            share = (NEAR - ends[behind, 2]) / (ends[other, 2] - ends[behind, 2])
            ends[behind] += share * (ends[other] - ends[behind])
            cut = round(share * wall.shape[1])
            wall = wall[:, cut:] if behind == 0 else wall[:, : wall.shape[1] - cut]
    if wall.shape[1] < 2:
        return
    tops = ends + np.array([0, height, 0])
    canvas.textured(np.stack([tops[0], tops[1], ends[1], ends[0]]), wall, BUILDING)


def _roof(
    canvas: Canvas, thing: Thing, length: float, side: int, random: np.random.Generator
) -> None:
    color = ROOFS[random.integers(len(ROOFS))]
    eave, ridge = thing.size, thing.size + 2.4
    near, far, inner = thing.s, thing.s + length, thing.t - side * 0.4
    middle, outer = thing.t + side * DEPTH / 2, thing.t + side * DEPTH
    slope = [(inner, eave, near), (middle, ridge, near), (middle, ridge, far), (inner, eave, far)]
    gable = [(thing.t, eave, near), (middle, ridge, near), (outer, eave, near)]
    canvas.polygon(slope, color, BUILDING)
    canvas.polygon(gable, _tint(thing.variant, 0.8), BUILDING)


def _tint(variant: int, factor: float = 1.0) -> Color:
    b, g, r = (factor * c for c in WALLS[variant % len(WALLS)])
    return b, g, r


@functools.lru_cache(maxsize=96)
def facade(variant: int, width: float, height: float, weather: Weather) -> Pixels:
    """Return a wall with windows (rows, columns, 3), in the weather's light."""
    random = np.random.default_rng([variant, 5])
    rows, columns = round(height * TEXELS), round(width * TEXELS)
    wall = np.empty((rows, columns, 3), np.float32)
    wall[:] = _tint(int(random.integers(len(WALLS))))
    wall += random.normal(0, 6, (rows, columns, 1))
    wall[:: TEXELS // 4] *= 0.93  # courses of bricks
    wall *= np.linspace(1.06, 0.86, rows)[:, None, None]
    picture = weather.light(np.clip(wall, 0, 255).astype(np.uint8))
    storeys = max(int(height / STOREY), 1)
    pitch = random.uniform(2.0, 3.2)
    wide = random.uniform(0.9, 1.3)
    for storey in range(storeys):
        is_shop = storey == 0 and storeys > 2
        for number in range(int(width / pitch)):
            left = (number + 0.5) * pitch - wide / 2
            base = storey * STOREY
            if is_shop:
                _pane(picture, left - 0.5, 0.3, wide + 0.9, 2.4, weather, random)
            else:
                _pane(picture, left, base + 0.95, wide, 1.45, weather, random)
    cv2.rectangle(picture, (0, 0), (columns, TEXELS // 3), weather.lit((150, 155, 158)), cv2.FILLED)
    return picture


def _pane(
    picture: Pixels, left: float, bottom: float, width: float, height: float,
    weather: Weather, random: np.random.Generator,
) -> None:  # fmt: skip
    """Draw a window; metres from the wall's lower left."""
    rows = picture.shape[0]
    a = (round(left * TEXELS), rows - round((bottom + height) * TEXELS))
    b = (round((left + width) * TEXELS), rows - round(bottom * TEXELS))
    is_lit = weather.night and random.random() < 0.35
    glass = LAMPLIGHT if is_lit else GLASS
    color = glass[random.integers(len(glass))]
    shown = color if is_lit else weather.lit(color)
    cv2.rectangle(picture, a, b, shown, cv2.FILLED)
    cv2.rectangle(picture, a, b, weather.lit(FRAME), 2)
    middle = (a[0] + b[0]) // 2
    cv2.line(picture, (middle, a[1]), (middle, b[1]), weather.lit(FRAME), 1)


def paint_fence(canvas: Canvas, thing: Thing) -> None:
    """Paint a fence along a cell: two rails, and posts where they can be told apart."""
    t, height = thing.t, thing.size
    color = FENCES[thing.variant % len(FENCES)]
    is_far = thing.s - canvas.camera.s > PLAIN_FROM
    step = CELL / 2 if is_far else 2.0
    for start in np.arange(thing.s, thing.s + CELL, step).tolist():
        end = start + step
        for low, high in ((0.12, 0.45), (0.6, height)):
            rail = [(t, high, end), (t, high, start), (t, low, start), (t, low, end)]
            canvas.polygon(rail, color, FENCE)
        if not is_far:
            left, right = t - 0.06, t + 0.06
            post = [
                (left, 0, start),
                (right, 0, start),
                (right, height, start),
                (left, height, start),
            ]
            canvas.polygon(post, (50, 60, 72), FENCE)
