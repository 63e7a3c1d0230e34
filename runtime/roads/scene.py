"""Scenes: a road and what stands along it, all drawn from a seed; the road has no end."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import UsageError, unknown
from roadseg.runtime.roads.weather import WEATHERS, Weather

CELL = 16.0  # metres of road that are furnished together
LANE = 3.3  # metres


Bend = tuple[float, float, float]  # amplitude in metres, length in metres, phase


@dataclass(frozen=True)
class Place:
    """How often things stand in a cell of one roadside, and how the roadside looks.

    verge: colour (BGR) of the ground behind the pavement.
    pavement: its width in metres, 0 for none.
    setback: metres from the pavement to the houses.
    storeys: fewest and most of a house.
    house, tree, fence, parked, lamp, sign, person: chances.
    """

    verge: tuple[int, int, int]
    pavement: float
    setback: float
    storeys: tuple[int, int]
    house: float
    tree: float
    fence: float
    parked: float
    lamp: float
    sign: float
    person: float


PLACES = {
    "city": Place((112, 116, 120), 3.2, 0.2, (3, 6), 0.93, 0.3, 0.05, 0.55, 0.5, 0.35, 0.5),
    "suburb": Place((62, 112, 88), 2.0, 5.0, (1, 3), 0.65, 0.6, 0.5, 0.3, 0.4, 0.2, 0.25),
    "country": Place((58, 120, 92), 0.0, 14.0, (1, 2), 0.08, 0.75, 0.4, 0.0, 0.08, 0.15, 0.03),
}


@dataclass(frozen=True)
class Thing:
    """Something at a place: s metres along the road, t metres right of its middle.

    kind: such as "tree".
    size: metres: height of what stands, length of what lies along the road.
    variant: number that its looks are drawn from.
    facing: 1 for what looks along the road, -1 for what looks towards the camera.
    """

    kind: str
    s: float
    t: float
    size: float
    variant: int
    facing: int = 1


@dataclass(frozen=True)
class Scene:
    """A road: where, in what weather, how wide, how winding.

    lanes: in each direction.
    side: of the road that one drives on, 1 right or -1 left.
    speed: of the camera in metres a second.
    bends: two waves of its middle line.
    """

    seed: int
    place: Place
    weather: Weather
    lanes: int
    side: int
    speed: float
    bends: tuple[Bend, Bend]

    @property
    def half_width(self) -> float:
        """Metres from the middle to the kerb."""
        return self.lanes * LANE + (1.9 if self.place.parked else 0.4)

    @property
    def own_lane(self) -> float:
        """Where the camera drives: metres right of the middle."""
        return self.side * LANE * (self.lanes - 0.5)

    def middle(self, s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far the middle line swings (m) at s."""
        (a, n, p), (b, m, q) = self.bends
        return a * np.sin(s / n + p) + b * np.sin(s / m + q)

    def heading(self, s: float) -> float:
        """Return the slope of the middle line at s."""
        return sum(a / n * math.cos(s / n + phase) for a, n, phase in self.bends)


def check_seed(seed: int) -> None:
    """Raise UsageError for a seed that random numbers cannot be drawn from."""
    if seed < 0:
        raise UsageError(f"seed is {seed}: it must not be negative")


def make_scene(seed: int, place: str = "", weather: str = "") -> Scene:
    """Draw a scene; a place or weather that is named is taken.

    Raises UsageError for an unknown name or a negative seed.
    """
    check_seed(seed)
    if place and place not in PLACES:
        raise unknown("place", place, PLACES)
    if weather and weather not in WEATHERS:
        raise unknown("weather", weather, WEATHERS)
    random = np.random.default_rng([seed, 1])
    drawn_place = str(random.choice(list(PLACES), p=[0.5, 0.3, 0.2]))
    drawn_weather = str(random.choice(list(WEATHERS), p=[0.34, 0.26, 0.12, 0.08, 0.12, 0.08]))
    bends = _bend(5.0, 55.0, random), _bend(16.0, 140.0, random)
    return Scene(
        seed,
        PLACES[place or drawn_place],
        WEATHERS[weather or drawn_weather],
        lanes=int(random.choice([1, 1, 2])),
        side=int(random.choice([-1, 1])),
        speed=float(random.uniform(8, 14)),
        bends=bends,
    )


def _bend(amplitude: float, length: float, random: np.random.Generator) -> Bend:
    return amplitude * random.uniform(0.2, 1), length, random.uniform(0, 6.3)


@functools.lru_cache(maxsize=512)
def furnish(scene: Scene, cell: int, side: int) -> tuple[Thing, ...]:
    """Return what stands on one side of the road in a cell; the same whenever it is asked."""
    random = np.random.default_rng([scene.seed, 2, cell + 2**31, side + 1])
    place, kerb, start = scene.place, scene.half_width, cell * CELL
    walls = kerb + place.pavement + place.setback

    def chance(share: float) -> bool:
        return bool(random.random() < share)

    def thing(kind: str, t: float, size: float, facing: int = 1, spread: float = CELL) -> Thing:
        s = start + random.uniform(0, spread)
        return Thing(kind, s, side * t, size, int(random.integers(2**31)), facing)

    found: list[Thing] = []
    if chance(place.house):
        height = 3.1 * random.integers(place.storeys[0], place.storeys[1] + 1) + 0.6
        found.append(thing("house", walls, float(height), spread=0.01))
    elif chance(0.8):
        found += [thing("tree", walls + random.uniform(0, 6), random.uniform(5, 11)) for _ in "12"]
    if chance(place.fence):
        found.append(thing("fence", kerb + max(place.pavement, 1.2) + 0.1, 1.1, spread=0.01))
    if chance(place.tree):
        found.append(thing("tree", kerb + max(place.pavement * 0.55, 2.5), random.uniform(4, 7.5)))
    if chance(place.parked):
        facing = 1 if side == scene.side else -1
        found.append(thing("car", kerb - 1.05, 0, facing, spread=CELL - 6))
    if chance(place.lamp):
        found.append(thing("lamp", kerb + 0.5, 7.0))
    if chance(place.sign):
        found.append(thing("sign", kerb + 0.6, 2.7))
    for _ in range(random.poisson(place.person)):
        out = kerb + random.uniform(0.7, max(place.pavement - 0.4, 1.5))
        found.append(thing("person", out, random.uniform(1.55, 1.9), int(random.choice([-1, 1]))))
    return tuple(found)


def traffic(scene: Scene, s: float, seconds: float, reach: float) -> list[Thing]:
    """Return what moves on the road between s and s + reach: cars both ways, a bicyclist."""
    phase = np.random.default_rng([scene.seed, 3]).uniform(0, 1, 4)
    ahead = s + 22 + 14 * phase[0] + 6 * math.sin(seconds * 0.4 + 6 * phase[1])
    edge = scene.side * (scene.half_width - (2.6 if scene.place.parked else 0.8))

    def stream(kind: str, t: float, size: float, gap: float, speed: float) -> list[Thing]:
        """Return things in a row, `gap` metres apart, that move at one speed."""
        shift = 0.37 * gap + speed * seconds
        first, last = math.ceil((s + 2 - shift) / gap), math.floor((s + reach - shift) / gap)
        facing = 1 if speed > 0 else -1
        seed = scene.seed * 1009 + 5
        return [
            Thing(kind, shift + number * gap, t, size, seed + 13 * number, facing)
            for number in range(first, last + 1)
        ]

    return [
        Thing("car", ahead, scene.own_lane, 0.0, scene.seed * 7 + 1),
        *stream("car", -scene.own_lane, 0.0, 45 + 30 * phase[2], -11.0),
        *stream("bicyclist", edge, 1.75, 90 + 60 * phase[3], 4.5),
    ]
