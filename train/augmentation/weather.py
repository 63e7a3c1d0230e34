"""Weather and light: fog, rain, night, glare, as veils over a picture.

How far away a place is, is guessed from how far down it lies in the source: a road is flat, and
what stands above the horizon is far. Each takes an image (H, W, 3), a strength of 0 to 1 and the
source's heights, 0 to 1 at a sixteenth of the crop's size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

HORIZON = 0.42  # of a picture's height from above
NEAR = 0.1  # how soon a road comes near below the horizon
DENSEST = 3.2  # optical depth of fog to what is far away, at strength 1
DROPS = 900  # at strength 1
LAMP = (255, 236, 190)  # of headlights and street lamps


def fog(image: Pixels, strength: float, heights: Floats, random: np.random.Generator) -> Pixels:
    """Light scattered into the way, more of it from farther away (Koschmieder's law), in banks."""
    banks = 1 + 0.25 * _patches(heights.shape, random)
    depth = DENSEST * strength * distances(heights) * banks
    light = int(random.integers(185, 235))
    return veiled(image, (light, light, light + 4), 1 - np.exp(-depth))


def rain(image: Pixels, strength: float, heights: Floats, random: np.random.Generator) -> Pixels:
    """Grey light and streaks: many short ones far away, few long ones near."""
    dull = veiled(image, (125, 130, 138), 0.55 * strength * (0.35 + 0.65 * distances(heights)))
    height, width = image.shape[:2]
    streaks = np.zeros((height, width), np.uint8)
    slant = random.uniform(-0.25, 0.25)
    count = int(DROPS * strength)
    nearness = random.random(count) ** 3
    starts = random.random((count, 2)) * (1.2 * width, 1.2 * height) - (0.1 * width, 0.2 * height)
    lengths = height * (0.02 + 0.1 * nearness)
    ends = starts + lengths[:, None] * np.array([slant, 1.0])
    lines = np.stack([starts, ends], 1).round().astype(np.int32)
    for near, line in zip(nearness, lines, strict=True):
        cv2.line(streaks, line[0], line[1], 70 + 110 * near, 1 + int(near > 0.6), cv2.LINE_AA)
    soft = np.asarray(cv2.GaussianBlur(streaks, (3, 3), 0), np.float32)
    return _blended(dull, (225, 228, 232), soft / np.float32(255))


def night(image: Pixels, strength: float, heights: Floats, random: np.random.Generator) -> Pixels:
    """Dark and bluish, the sky darkest; headlights on the road, lamps along the horizon."""
    levels = np.arange(256) / 255
    curve = 255 * levels ** (1 + 0.5 * strength)
    tint = 1 - strength * np.array([0.35, 0.28, 0.12])
    table = np.clip(np.outer(curve, tint), 0, 255).astype(np.uint8)[:, None]
    dark = np.asarray(cv2.LUT(image, table), np.uint8)
    x = _columns(heights)
    middle = random.uniform(0.35, 0.65)
    beam = np.exp(-(((x - middle) / 0.45) ** 2) - ((heights - 0.72) / 0.25) ** 2)
    shade = strength * (0.88 - 0.75 * beam)
    dark = veiled(dark, (3, 4, 10), np.clip(shade, 0.0, 1.0))
    glow = np.zeros_like(heights)
    for _ in range(int(random.integers(2, 6))):
        at, up = random.random(), HORIZON - random.uniform(-0.03, 0.18)
        size = random.uniform(0.006, 0.018)
        square = ((x - at) ** 2 + (heights - up) ** 2) / size**2
        glow += np.exp(-square) + 0.15 * np.exp(-square / 25)
    return veiled(dark, LAMP, np.clip(strength * glow, 0.0, 0.95))


def glare(image: Pixels, strength: float, heights: Floats, random: np.random.Generator) -> Pixels:
    """A low sun: a bright disc, its halo, and a veil over the whole picture."""
    x = _columns(heights)
    at, up = random.uniform(0.15, 0.85), HORIZON - random.uniform(0.02, 0.3)
    square = (x - at) ** 2 + (heights - up) ** 2
    halo = 1 / (1 + square / 0.025)
    light = strength * (0.2 + 0.9 * halo + np.exp(-square / 0.006))
    return veiled(image, (255, 246, 226), np.clip(light, 0.0, 0.97))


WEATHER: Mapping[str, Callable[[Pixels, float, Floats, np.random.Generator], Pixels]] = {
    "rain": rain,
    "fog": fog,
    "night": night,
    "glare": glare,
}


def distances(heights: Floats) -> Floats:
    """Return how far away places are, 0 to 1, from how far down in the source they lie."""
    below = np.maximum(heights - HORIZON, 0.0)
    return np.asarray(NEAR / (NEAR + below), np.float32)


def veiled(image: Pixels, color: tuple[int, int, int], share: Floats) -> Pixels:
    """Blend an image (H, W, 3) with a colour by a coarse map of shares, 0 to 1."""
    size = image.shape[1], image.shape[0]
    full = cv2.resize(share.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return _blended(image, color, np.asarray(full, np.float32))


def _blended(image: Pixels, color: tuple[int, int, int], share: Floats) -> Pixels:
    other = np.empty_like(image)
    other[:] = color
    return np.asarray(cv2.blendLinear(image, other, 1 - share, share), np.uint8)


def _columns(heights: Floats) -> Floats:
    """Return how far right a coarse map's places lie, 0 to 1, (1, width)."""
    return np.linspace(0, 1, heights.shape[1], dtype=np.float32)[None]


def _patches(shape: tuple[int, ...], random: np.random.Generator) -> Floats:
    """Return smooth noise of about -1 to 1."""
    coarse = random.uniform(-1, 1, (3, 5)).astype(np.float32)
    smooth = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)
