"""The ground: a bird's-eye picture of the road and its classes, seen through the camera."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.roads.camera import Camera
from roadseg.runtime.roads.canvas import Canvas
from roadseg.runtime.roads.labels import PAVEMENT, ROAD, TREE
from roadseg.runtime.roads.scene import LANE, Scene
from roadseg.runtime.roads.weather import Pixels

SCALE = 20  # texels a metre
HALF = 24  # metres that the picture reaches to each side
PERIOD = 96  # metres until it repeats
LEVELS = 6

Values = NDArray[np.float32]

WHITE = (225, 228, 230)
KERB = (165, 168, 170)


class Ground:
    """Pictures of the ground at halving scales (a mip map), and its classes."""

    def __init__(self, scene: Scene) -> None:
        random = np.random.default_rng([scene.seed, 4])
        picture, self.labels = _paint(scene, random)
        self.levels = [scene.weather.light(picture)]
        for _ in range(LEVELS - 1):
            last = self.levels[-1]
            size = (last.shape[1] // 2, last.shape[0] // 2)
            smaller = cv2.resize(last, size, interpolation=cv2.INTER_AREA)
            self.levels.append(np.asarray(smaller, np.uint8))

    def paint(self, canvas: Canvas) -> None:
        """Fill all below the horizon."""
        camera = canvas.camera
        top = int(np.floor(camera.horizon)) + 1
        rows = np.arange(top, camera.height, dtype=np.float32)
        z = (camera.focal * camera.eye / (rows + 0.5 - camera.horizon)).astype(np.float32)
        x, y = self._texels(camera, z)
        for level, band in _bands(z, camera):
            factor = np.float32(0.5**level)
            maps = (x[band] * factor, y[band] * factor)
            texture = self.levels[level]
            area = canvas.picture[top:][band]
            area[:] = cv2.remap(texture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        canvas.mask[top:] = cv2.remap(
            self.labels, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_WRAP
        )
        _fade(canvas, top, z)

    def _texels(self, camera: Camera, z: Values) -> tuple[Values, Values]:
        """Return where each pixel of the rows at distances z lies in the picture."""
        across = (np.arange(camera.width, dtype=np.float32) + 0.5 - camera.width / 2) / camera.focal
        start = ((HALF - camera.swing(z.astype(np.float64))) * SCALE).astype(np.float32)
        x: Values = across[None] * (z * SCALE)[:, None] + start[:, None]
        np.clip(x, 0, 2 * HALF * SCALE - 1, out=x)
        along = (np.mod(camera.s + z, PERIOD) * SCALE).astype(np.float32)
        return x, np.broadcast_to(along[:, None], x.shape).copy()


def _bands(z: Values, camera: Camera) -> list[tuple[int, slice]]:
    """Split rows into bands, each with the level whose texels are about a pixel."""
    across = z / camera.focal * SCALE
    along = np.square(z) / (camera.focal * camera.eye) * SCALE
    level = np.log2(np.maximum(np.sqrt(across * along), 1)).astype(int).clip(0, LEVELS - 1)
    edges = np.flatnonzero(np.diff(level)) + 1
    starts, ends = [0, *edges], [*edges, len(z)]
    return [(int(level[a]), slice(int(a), int(b))) for a, b in zip(starts, ends, strict=True)]


def _fade(canvas: Canvas, top: int, z: Values) -> None:
    """Blend rows into the haze by their distance."""
    area = canvas.picture[top:]
    haze = 1 - np.exp(-z / np.float32(canvas.weather.visibility))
    weight = np.ascontiguousarray(np.broadcast_to(haze[:, None], area.shape[:2]), np.float32)
    air = np.empty_like(area)
    air[:] = canvas.weather.haze
    area[:] = cv2.blendLinear(area, air, 1 - weight, weight)


def _paint(scene: Scene, random: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Return the picture (PERIOD, 2 HALF) in texels, BGR, and its classes."""
    rows, columns = PERIOD * SCALE, 2 * HALF * SCALE
    picture = np.empty((rows, columns, 3), np.uint8)
    picture[:] = scene.place.verge
    is_paved = scene.place.pavement > 0 and scene.place.setback < 1
    labels = np.full((rows, columns), PAVEMENT if is_paved else TREE, np.uint8)
    kerb = scene.half_width
    if scene.place.pavement:
        edge = kerb + scene.place.pavement
        _strip(picture, -edge, edge, (138, 142, 146))
        _strip(labels, -edge, edge, PAVEMENT)
        _slabs(picture, kerb, edge)
        _strip(picture, -kerb - 0.25, kerb + 0.25, KERB)
    _strip(picture, -kerb, kerb, (82, 80, 79))
    _strip(labels, -kerb, kerb, ROAD)
    _grain(picture, random)
    _patches(picture, kerb, random)
    _marks(picture, scene)
    return picture, labels


def _columns(left: float, right: float) -> slice:
    return slice(round((left + HALF) * SCALE), round((right + HALF) * SCALE))


def _strip(picture: Pixels, left: float, right: float, value: int | tuple[int, int, int]) -> None:
    picture[:, _columns(left, right)] = np.array(value, np.uint8)


def _slabs(picture: Pixels, kerb: float, edge: float) -> None:
    """Draw the joints of a pavement's slabs."""
    for side in (-1, 1):
        a, b = sorted((side * kerb, side * edge))
        area = picture[:, _columns(a, b)]
        area[:: round(0.6 * SCALE)] -= 22
        area[:, :: round(0.6 * SCALE)] -= 18


def _grain(picture: Pixels, random: np.random.Generator) -> None:
    """Roughen the ground: fine grain, and broad stains."""
    fine = random.normal(0, 7, picture.shape[:2]).astype(np.float32)
    small = random.normal(0, 9, (picture.shape[0] // 48, picture.shape[1] // 24))
    size = (picture.shape[1], picture.shape[0])
    broad = cv2.resize(small.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    np.clip(picture + (fine + broad)[..., None], 0, 255, out=picture, casting="unsafe")


def _patches(picture: Pixels, kerb: float, random: np.random.Generator) -> None:
    """Lay repaired patches and manhole covers on the asphalt."""
    for _ in range(9):
        x, y = random.uniform(-kerb, kerb - 1.5), random.uniform(2, PERIOD - 8)
        a = (round((x + HALF) * SCALE), round(y * SCALE))
        if random.random() < 0.5:
            size = random.uniform((0.6, 1.0), (1.4, 5.0)) * SCALE
            b = (a[0] + round(size[0]), a[1] + round(size[1]))
            tone = random.uniform(58, 70)
            cv2.rectangle(picture, a, b, (tone, tone, tone), cv2.FILLED)
        else:
            cv2.circle(picture, a, round(0.32 * SCALE), (62, 64, 66), cv2.FILLED)
            cv2.circle(picture, a, round(0.32 * SCALE), (50, 50, 50), 1)


def _marks(picture: Pixels, scene: Scene) -> None:
    """Paint lane marks, edge lines and, in a city, a zebra crossing."""
    _line(picture, 0.0, 6 if scene.lanes == 1 else 0, 3)
    for lane in range(1, scene.lanes):
        for side in (-1, 1):
            _line(picture, side * lane * LANE, 3, 6)
    if scene.place.parked or not scene.place.pavement:
        for side in (-1, 1):
            _line(picture, side * (scene.lanes * LANE + 0.1), 0, 0)
    if scene.place.pavement > 3:
        for left in np.arange(-scene.half_width + 0.4, scene.half_width - 0.6, 1.1):
            picture[40 * SCALE : 43 * SCALE, _columns(left, left + 0.55)] = WHITE


def _line(picture: Pixels, middle: float, dash: int, gap: int) -> None:
    """Paint a line along the road: dashes and gaps in metres, whole where dash is 0."""
    columns = _columns(middle - 0.07, middle + 0.07)
    if not dash:
        picture[:, columns] = WHITE
        return
    for start in range(0, PERIOD - dash + 1, dash + gap):
        picture[start * SCALE : (start + dash) * SCALE, columns] = WHITE
