"""What stands at the roadside: trees, lamps, signs, and people who walk and ride."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from roadseg.runtime.roads.canvas import Canvas, Corner
from roadseg.runtime.roads.labels import BICYCLIST, PEDESTRIAN, POLE, SIGN, TREE
from roadseg.runtime.roads.scene import Thing
from roadseg.runtime.roads.weather import Color, Pixels, Weather

TREES = 8  # that differ in a scene
LEAVES = ((44, 92, 62), (52, 104, 84), (40, 80, 50), (60, 112, 100), (48, 84, 74))
BARK, METAL = (60, 72, 86), (104, 106, 106)
SKIN = (150, 178, 214)
CLOTHES = (
    (92, 60, 40),
    (52, 48, 120),
    (60, 60, 60),
    (150, 140, 130),
    (70, 100, 60),
    (40, 120, 170),
)


def paint_tree(canvas: Canvas, thing: Thing) -> None:
    """Paint a tree."""
    (foot,) = canvas.camera.place([(thing.t, 0.0, thing.s)])
    canvas.sprite(foot, thing.size, tree(thing.variant % TREES, canvas.weather), TREE)


@functools.lru_cache(maxsize=4 * TREES)
def tree(variant: int, weather: Weather) -> list[Pixels]:
    """Return a tree (256, 200, 4) BGRA in the weather's light, and again at half the size each."""
    random = np.random.default_rng([variant, 6])
    picture = np.zeros((256, 200, 4), np.uint8)
    base = np.array(LEAVES[variant % len(LEAVES)], np.float64)
    picture[..., :3] = base * 0.7
    cv2.line(picture, (100, 255), (100, 120), (*BARK, 255), 9)
    for end in (60, 140):
        cv2.line(picture, (100, 170), (end, 110), (*BARK, 255), 5)
    for number in range(260):
        angle, out = random.uniform(0, 6.3), np.sqrt(random.uniform(0, 1))
        x, y = 100 + 78 * out * np.cos(angle), 92 + 74 * out * np.sin(angle)
        light = 0.66 + 0.5 * (1 - y / 180) + 0.1 * (x / 200) + random.normal(0, 0.09)
        light *= 0.75 + 0.25 * number / 260  # what is painted later lies further out, in the sun
        spot = (round(x), round(y))
        color = tuple(float(c) for c in np.clip(base * light, 0, 255))
        cv2.circle(picture, spot, int(random.integers(6, 19)), (*color, 255), cv2.FILLED)
    picture[..., :3] = weather.light(np.ascontiguousarray(picture[..., :3]))
    sizes: list[Pixels] = [picture]
    for _ in range(4):
        size = (sizes[-1].shape[1] // 2, sizes[-1].shape[0] // 2)
        smaller = cv2.resize(sizes[-1], size, interpolation=cv2.INTER_AREA)
        sizes.append(np.asarray(smaller, np.uint8))
    return sizes


def paint_lamp(canvas: Canvas, thing: Thing) -> None:
    """Paint a street lamp that reaches over the road."""
    t, s, top = thing.t, thing.s, thing.size
    inward = -1 if t > 0 else 1
    canvas.bar((t, 0, s), (t, top, s), 0.16, METAL, POLE)
    canvas.bar((t, top, s), (t + inward * 1.6, top + 0.25, s), 0.1, METAL, POLE)
    color = (150, 215, 245) if canvas.weather.night else (170, 172, 172)
    head = ((t + inward * 1.2, top + 0.2, s), (t + inward * 1.9, top + 0.25, s))
    canvas.bar(*head, 0.22, color, POLE, lit=not canvas.weather.night)


def paint_sign(canvas: Canvas, thing: Thing) -> None:
    """Paint a traffic sign on its post, or a traffic light."""
    t, s, top = thing.t, thing.s, thing.size
    canvas.bar((t, 0, s), (t, top, s), 0.1, METAL, POLE)
    center = (t, top, s - 0.05)
    kind = thing.variant % 4
    if kind == 0:
        canvas.disc(center, 0.4, (40, 32, 190), SIGN)
        canvas.disc(center, 0.28, (225, 228, 230), SIGN)
    elif kind == 1:
        _plate(canvas, center, [(-0.45, -0.35), (0.45, -0.35), (0, 0.45)], (40, 32, 190))
        _plate(canvas, center, [(-0.26, -0.24), (0.26, -0.24), (0, 0.24)], (225, 228, 230))
    elif kind == 2:
        _plate(canvas, center, [(-0.4, -0.4), (0.4, -0.4), (0.4, 0.4), (-0.4, 0.4)], (170, 96, 36))
    else:
        _plate(canvas, center, [(-0.2, -0.5), (0.2, -0.5), (0.2, 0.5), (-0.2, 0.5)], (30, 34, 32))
        for y, color in ((0.3, (50, 40, 210)), (0.0, (30, 60, 80)), (-0.3, (40, 70, 30))):
            canvas.disc((t, top + y, s - 0.05), 0.13, color, SIGN)


def _plate(
    canvas: Canvas, center: Corner, corners: Sequence[tuple[float, float]], color: Color
) -> None:
    t, y, s = center
    canvas.polygon([(t + u, y + v, s) for u, v in corners], color, SIGN)


def paint_person(canvas: Canvas, thing: Thing, seconds: float) -> None:
    """Paint someone who walks."""
    step = np.sin(seconds * 6.5 + thing.variant)
    _figure(canvas, thing, PEDESTRIAN, hip=0.5, stride=0.16 * float(step), base=0.0)


def paint_bicyclist(canvas: Canvas, thing: Thing, seconds: float) -> None:
    """Paint someone on a bicycle, seen from behind or in front."""
    t, s = thing.t, thing.s
    canvas.bar((t, 0.0, s), (t, 0.68, s), 0.07, (30, 30, 30), BICYCLIST)
    canvas.bar((t - 0.28, 0.98, s), (t + 0.28, 0.98, s), 0.06, (50, 50, 50), BICYCLIST)
    step = np.sin(seconds * 8 + thing.variant)
    _figure(canvas, thing, BICYCLIST, hip=0.55, stride=0.05 * float(step), base=0.14)


def _figure(
    canvas: Canvas, thing: Thing, label: int, hip: float, stride: float, base: float
) -> None:
    """Paint a person of thing.size metres whose legs are `stride` apart."""
    t, s, tall = thing.t, thing.s, thing.size
    shirt = CLOTHES[thing.variant % len(CLOTHES)]
    trousers = CLOTHES[thing.variant // 11 % len(CLOTHES)]
    waist, neck = hip * tall, 0.83 * tall
    for side, forward in ((-1, stride), (1, -stride)):
        foot = (t + side * 0.09 + forward, base + max(forward, 0) * 0.3, s)
        canvas.bar(foot, (t + side * 0.08, waist, s), 0.15, trousers, label)
        hand = (t + side * 0.27 - forward * 0.6, waist - 0.02, s)
        canvas.bar(hand, (t + side * 0.2, neck, s), 0.11, shirt, label)
    canvas.bar((t, waist - 0.05, s), (t, neck, s), 0.42, shirt, label)
    canvas.disc((t, 0.93 * tall, s), 0.115, SKIN, label)
