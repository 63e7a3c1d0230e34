"""Cars: a side view drawn across their width, with glass, wheels and lamps."""

from __future__ import annotations

import math

from roadseg.runtime.roads.camera import NEAR, Camera, Points
from roadseg.runtime.roads.canvas import CIRCLE, Canvas
from roadseg.runtime.roads.labels import CAR
from roadseg.runtime.roads.scene import Thing

# Outlines from the lower rear over the roof to the lower front: (metres from the rear, height).
# fmt: off
SALOON = (
    (0, 0.3), (0, 0.72), (0.08, 0.95), (0.55, 0.98), (1.15, 1.4),
    (2.5, 1.42), (3.3, 0.97), (4.2, 0.82), (4.35, 0.62), (4.35, 0.3),
)
HATCH = (
    (0, 0.3), (0, 0.8), (0.1, 1.0), (0.14, 1.02), (0.5, 1.46),
    (2.1, 1.5), (2.95, 1.0), (3.75, 0.85), (3.9, 0.62), (3.9, 0.3),
)
VAN = (
    (0, 0.35), (0, 1.0), (0.03, 1.25), (0.05, 1.27), (0.1, 2.05),
    (3.4, 2.1), (4.2, 1.25), (4.85, 1.08), (5.0, 0.7), (5.0, 0.35),
)
# fmt: on
SHAPES = (SALOON, HATCH, SALOON, HATCH, VAN)
REAR_GLASS, ROOF, WINDSCREEN = 3, 4, 5  # strips of the outline
PAINTS = (
    (46, 40, 150), (60, 60, 62), (200, 204, 206), (128, 128, 126),
    (120, 70, 36), (30, 32, 34), (170, 172, 170), (70, 96, 60), (40, 110, 170),
)  # fmt: skip
GLASS, TYRE, RIM, SHADE = (78, 66, 54), (28, 28, 28), (120, 122, 124), (38, 37, 36)
TAIL, HEAD, PLATE = (40, 30, 205), (235, 240, 240), (205, 225, 228)
Outline = tuple[tuple[float, float], ...]
Paint = tuple[int, int, int]
Place = tuple[float, float]

WIDTH = 1.74
PLAIN_FROM = 55.0  # metres; beyond it wheels and lamps are smaller than pixels


def paint_car(canvas: Canvas, thing: Thing) -> None:
    """Paint a car whose rear is at thing.s, or whose front is when it comes towards the camera."""
    outline: Outline = SHAPES[thing.variant % len(SHAPES)]
    color = PAINTS[thing.variant // 7 % len(PAINTS)]
    if thing.facing < 0:
        length = outline[-1][0]
        outline = tuple((length - z, y) for z, y in reversed(outline))
    left, right = thing.t - WIDTH / 2, thing.t + WIDTH / 2
    _shade(canvas, thing, left, right, outline)
    ends = canvas.camera.place([(left, 0.5, thing.s), (right, 0.5, thing.s)])
    is_near = thing.s - canvas.camera.s < PLAIN_FROM
    for start in reversed(range(len(outline) - 1)):
        _strip(canvas, thing, start, outline, color)
    for t, is_seen in ((left, ends[0, 0] > 0), (right, ends[1, 0] < 0)):
        if is_seen:
            _side(canvas, thing, t, outline, color)
            if is_near:
                _wheels(canvas, thing, t, outline[-1][0] if thing.facing > 0 else outline[0][0])
    if is_near:
        _lamps(canvas, thing, left, right)


def _shade(canvas: Canvas, thing: Thing, left: float, right: float, outline: Outline) -> None:
    """Darken the road under the car; it stays road."""
    near, far = thing.s - 0.25, thing.s + max(z for z, _ in outline) + 0.2
    left, right = left - 0.2, right + 0.2
    spot = [(left, 0, near), (right, 0, near), (right, 0, far), (left, 0, far)]
    canvas.polygon(spot, SHADE, None)


def _strip(canvas: Canvas, thing: Thing, start: int, outline: Outline, color: Paint) -> None:
    """Paint the surface between two points of the outline, if it faces the camera."""
    (z0, y0), (z1, y1) = outline[start], outline[start + 1]
    out = y0 - y1, z1 - z0  # (z, y) of the normal
    if out[0] * (thing.s + z0 - canvas.camera.s) + out[1] * (y0 - canvas.camera.eye) >= 0:
        return
    tilt = 0.72 + 0.4 * max(out[1], 0) / (math.hypot(*out) + 1e-6)
    near, far = (thing.s + z0, y0), (thing.s + z1, y1)
    _across(canvas, thing.t, WIDTH / 2, near, far, _times(color, tilt))
    strip = start if thing.facing > 0 else len(outline) - 2 - start
    if strip in (REAR_GLASS, WINDSCREEN):
        s, y = (z1 - z0) * 0.08, (y1 - y0) * 0.08
        near, far = (near[0] + s, near[1] + y), (far[0] - s, far[1] - y)
        _across(canvas, thing.t, WIDTH * 0.45, near, far, _times(GLASS, tilt))


def _across(
    canvas: Canvas,
    t: float,
    half: float,
    near: Place,
    far: Place,
    color: tuple[float, float, float],
) -> None:
    """Paint a surface from side to side between two (s, y)."""
    (s0, y0), (s1, y1) = near, far
    left, right = t - half, t + half
    canvas.polygon([(left, y0, s0), (right, y0, s0), (right, y1, s1), (left, y1, s1)], color, CAR)


def _side(canvas: Canvas, thing: Thing, t: float, outline: Outline, color: Paint) -> None:
    """Paint the side at t: body, cabin, glass."""

    def at(points: Outline) -> list[tuple[float, float, float]]:
        return [(t, y, thing.s + z) for z, y in points]

    belt = 0.62 * max(y for _, y in outline) + 0.06
    shaded = _times(color, 0.9)
    canvas.polygon(at(tuple((z, min(y, belt)) for z, y in outline)), shaded, CAR)
    canvas.polygon(at(outline[2:-2]), shaded, CAR)
    cabin = outline[3:7]
    z_mid, y_mid = (sum(point[axis] for point in cabin) / len(cabin) for axis in (0, 1))
    glass = tuple((z_mid + 0.86 * (z - z_mid), y_mid + 0.72 * (y - y_mid)) for z, y in cabin)
    canvas.polygon(at(glass), GLASS, CAR)


def _wheels(canvas: Canvas, thing: Thing, t: float, length: float) -> None:
    for place in (0.19 * length, 0.81 * length):
        for radius, tone in ((0.33, TYRE), (0.2, RIM)):
            middle = thing.s + place
            rim = [(t, 0.33 + radius * v, middle + radius * u) for u, v in CIRCLE]
            canvas.polygon(rim, tone, CAR)


def _lamps(canvas: Canvas, thing: Thing, left: float, right: float) -> None:
    """Paint tail lamps or headlamps at the end that is seen, and a number plate."""
    s = thing.s - 0.01
    night = canvas.weather.night
    color = TAIL if thing.facing > 0 else HEAD
    for t in (left + 0.2, right - 0.2):
        canvas.bar((t, 0.62, s), (t, 0.78, s), 0.32, color, CAR, lit=not night)
    middle = (left + right) / 2
    canvas.bar((middle, 0.48, s), (middle, 0.6, s), 0.52, PLATE, CAR)


def car_lights(camera: Camera, thing: Thing) -> list[tuple[Points, tuple[int, int, int]]]:
    """Return where a car's lamps glow at night, in camera space, and in which colour."""
    color = TAIL if thing.facing > 0 else (200, 225, 235)
    lamps = camera.place([(thing.t - 0.65, 0.7, thing.s), (thing.t + 0.65, 0.7, thing.s)])
    return [(lamp, color) for lamp in lamps if lamp[2] > NEAR]


def _times(color: tuple[int, int, int], factor: float) -> tuple[float, float, float]:
    b, g, r = (c * factor for c in color)
    return b, g, r
