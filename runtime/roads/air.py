"""Sky and air: what is behind everything, and what lies between it and the sensor."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.roads.camera import Points
from roadseg.runtime.roads.canvas import Canvas
from roadseg.runtime.roads.labels import BUILDING, SKY, TREE
from roadseg.runtime.roads.scene import Scene
from roadseg.runtime.roads.weather import Color, Pixels

Heights = NDArray[np.int32]


class Sky:
    """A panorama, three pictures wide, of sky and the far skyline, with its classes."""

    def __init__(self, scene: Scene, width: int, height: int) -> None:
        random = np.random.default_rng([scene.seed, 7])
        self.picture = _clouds(scene, 3 * width, height, random)
        self.labels = np.full((height, 3 * width), SKY, np.uint8)
        tops = _skyline(scene, 3 * width, height, random)
        rows = np.arange(height)[:, None]
        below = rows >= height - tops[None]
        far = scene.weather.through_air(scene.weather.lit((80, 92, 80)), 500)
        self.picture[below] = np.clip(far, 0, 255)
        self.labels[below] = BUILDING if scene.place.pavement > 3 else TREE

    def paint(self, canvas: Canvas) -> None:
        """Fill all above the horizon; bends move the panorama sideways."""
        camera = canvas.camera
        bottom = int(np.floor(camera.horizon)) + 1
        turn = camera.scene.heading(camera.s) * camera.focal
        left = int(np.clip(camera.width + turn, 0, 2 * camera.width))
        rows, columns = slice(-bottom, None), slice(left, left + camera.width)
        canvas.picture[:bottom] = self.picture[rows, columns]
        canvas.mask[:bottom] = self.labels[rows, columns]


def _clouds(scene: Scene, width: int, height: int, random: np.random.Generator) -> Pixels:
    weather = scene.weather
    down = np.linspace(0, 1, height)[:, None, None]
    high, low = (np.array(color) for color in weather.sky)
    sky = np.broadcast_to(high + (low - high) * down**1.4, (height, width, 3)).copy()
    cover = np.zeros((height, width), np.float32)
    for octave in range(5):
        small = random.random((3 * 2**octave, 9 * 2**octave)).astype(np.float32)
        large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        cover += np.asarray(large, np.float32) / np.float32(1.8**octave)
    cover = (cover - cover.min()) / (cover.max() - cover.min())
    edge = 1 - weather.clouds
    share = np.clip((cover - edge * 0.75) / 0.25, 0, 1)[..., None] * 0.75
    white = np.array(weather.lit((232, 230, 228), 1.05))
    return np.asarray(np.clip(sky + share * (white - sky), 0, 255), np.uint8)


def _skyline(scene: Scene, width: int, height: int, random: np.random.Generator) -> Heights:
    """Return heights in pixels: steps of roofs in a city, else soft hills."""
    steps = max(width // 14, 4)
    heights = random.uniform(0.02, 0.075, steps) * height
    if scene.place.pavement > 3:
        return np.repeat(heights, -(-width // steps))[:width].astype(np.int32)
    coarse = heights[: max(steps // 6, 4)].astype(np.float32)[None]
    smooth = cv2.resize(coarse, (width, 1), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth[0], np.int32)


class Lens:
    """What the camera adds: vignette, headlight, rain, a little blur, noise."""

    def __init__(self, scene: Scene, width: int, height: int) -> None:
        random = np.random.default_rng([scene.seed, 8])
        self.weather = scene.weather
        self.gain = _gain(scene, width, height)
        level = 128 + random.normal(0, scene.weather.noise, (height + 64, width + 64, 3))
        self.noise = np.clip(level, 0, 255).astype(np.uint8)
        self.streaks = _streaks(width, height, random) if scene.weather.rain else None

    def apply(self, picture: Pixels, number: int) -> None:
        """Change a picture in place."""
        random = np.random.default_rng([number, 9])
        cv2.multiply(picture, self.gain, picture, 1 / 128)
        if self.streaks is not None:
            shift = random.integers(0, picture.shape[0])
            cv2.add(picture, np.roll(self.streaks, int(shift), 0), picture)
        cv2.GaussianBlur(picture, (3, 3), 0.55, picture)
        x, y = random.integers(0, 64, 2)
        noise = self.noise[y : y + picture.shape[0], x : x + picture.shape[1]]
        cv2.addWeighted(picture, 1, noise, 1, -128, picture)


def _gain(scene: Scene, width: int, height: int) -> Pixels:
    """Return the gain of each pixel in 1/128: darker corners, and the headlights' pool at night."""
    y, x = np.mgrid[0:height, 0:width]
    x, y = (x / width - 0.5) * 2, y / height
    gain = 1 - 0.16 * (x**2 + (2 * y - 1) ** 2) / 2
    if scene.weather.night:
        pool = np.exp(-((x / (0.18 + 0.75 * np.clip(y - 0.45, 0, 1))) ** 2))
        gain = gain + 0.75 * pool * np.clip((y - 0.47) / 0.15, 0, 1)
    return np.repeat(np.clip(gain * 128, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _streaks(width: int, height: int, random: np.random.Generator) -> Pixels:
    rain = np.zeros((height, width, 3), np.uint8)
    for _ in range(width * height // 3500):
        x, y = random.integers(0, width), random.integers(0, height)
        length = random.integers(height // 40 + 2, height // 14 + 4)
        light = int(random.integers(14, 44))
        cv2.line(rain, (int(x), int(y)), (int(x + length // 6), int(y + length)), (light,) * 3, 1)
    return rain


def glow(canvas: Canvas, where: Points, radius: float, color: Color) -> None:
    """Add a lamp's glow at a point of camera space; radius in metres. The mask stays."""
    camera = canvas.camera
    size = round(2 * radius * camera.focal / where[2])
    if size < 3 or size > 4 * camera.width:
        return
    (pixel,) = camera.project(where[None])
    left, top = round(float(pixel[0]) - size / 2), round(float(pixel[1]) - size / 2)
    x, y = max(left, 0), max(top, 0)
    x_end, y_end = min(left + size, camera.width), min(top + size, camera.height)
    if x >= x_end or y >= y_end:
        return
    across = np.square((np.arange(x, x_end) - left + 0.5) / size * 2 - 1)
    down = np.square((np.arange(y, y_end) - top + 0.5) / size * 2 - 1)
    light = np.exp(-5 * (down[:, None] + across[None]))[..., None] * np.array(color) * 0.8
    area = canvas.picture[y:y_end, x:x_end]
    cv2.add(area, light.astype(np.uint8), area)
