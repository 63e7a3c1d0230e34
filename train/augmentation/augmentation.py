"""Random scale, crop, flip, colour, weather and camera, as a function of a seed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.train.augmentation.camera import blurred, compressed, noisy
from roadseg.train.augmentation.color import color_matrix
from roadseg.train.augmentation.geometry import bend, move, source_heights, turned
from roadseg.train.augmentation.weather import WEATHER

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Augmentation:
    """How much a training image is changed.

    width, height: of the crop.
    scale: smallest and largest, drawn log-uniformly.
    aspect: largest stretch of width against height, either way, drawn log-uniformly.
    flip: chance of a horizontal flip.
    brightness, contrast, saturation: largest relative change.
    hue: largest rotation in degrees.
    color_jitter: share of these four that is taken.
    rotation: largest, in degrees, either way.
    elastic, weather, blur, noise, jpeg: largest strength, 0 to 1.
    cutmix: chance that a rectangle of the batch's next image is put in; see cut_mix.
    weathers: that are drawn from.
    chance: of an image to get each of elastic, weather, blur, noise, jpeg.
    least: of the strength that an image gets, as a share of the largest.
    """

    width: int
    height: int
    scale: tuple[float, float] = (0.5, 2.0)
    aspect: float = 1.0
    flip: float = 0.5
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: float = 10.0
    color_jitter: float = 1.0
    rotation: float = 0.0
    elastic: float = 0.0
    weather: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    cutmix: float = 0.0
    weathers: tuple[str, ...] = tuple(WEATHER)
    chance: float = 1 / 3
    least: float = 0.25

    def apply(
        self, image: Pixels, mask: Pixels, size: tuple[int, int], random: np.random.Generator
    ) -> tuple[Pixels, Pixels]:
        """Change an image (H, W, 3) and its mask (H, W) alike.

        size: (width, height) that scale 1 stands for. Returns (height, width, 3) and (height,
        width); what lies outside of the image is gray, and IGNORE in the mask.
        """
        crop = self.width, self.height
        source = image.shape[1], image.shape[0]
        warp = self.warp(source, size, random)
        color = self.color(random)
        bent = None
        if strength := self.strength(self.elastic, random):
            bent = bend(warp, crop, strength, random)
        image, mask = move(image, mask, warp, crop, bent)
        image = np.asarray(cv2.transform(image, color), np.uint8)
        if strength := self.strength(self.weather, random):
            change = WEATHER[self.weathers[random.integers(len(self.weathers))]]
            image = change(image, strength, source_heights(warp, crop, source[1]), random)
        for most, camera in ((self.blur, blurred), (self.noise, noisy), (self.jpeg, compressed)):
            if strength := self.strength(most, random):
                image = camera(image, strength, random)
        return image, mask

    def warp(
        self, source: tuple[int, int], size: tuple[int, int], random: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw the map (2, 3) from a crop's pixels to the source's."""
        low, high = np.log(self.scale)
        scale = float(np.exp(random.uniform(low, high)))
        stretch = float(self.aspect ** random.uniform(-0.5, 0.5)) if self.aspect > 1 else 1.0
        rows = []
        for axis, crop, own in ((0, self.width, stretch), (1, self.height, 1 / stretch)):
            length = size[axis] * scale * own
            spare = length - crop
            offset = random.uniform(min(spare, 0.0), max(spare, 0.0))
            step = source[axis] / length
            # Pixel centres lie at half-integers: source + 0.5 = (crop + 0.5 + offset) * step.
            rows.append((step, (0.5 + offset) * step - 0.5))
        (step_x, start_x), (step_y, start_y) = rows
        if random.random() < self.flip:
            step_x, start_x = -step_x, start_x + step_x * (self.width - 1)
        warp = np.array([[step_x, 0.0, start_x], [0.0, step_y, start_y]])
        if not self.rotation:
            return warp
        angle = random.uniform(-self.rotation, self.rotation)
        return turned(warp, (self.width, self.height), angle)

    def color(self, random: np.random.Generator) -> NDArray[np.float64]:
        """Draw the colour change as a matrix (3, 4) for RGB of 0 to 255."""
        share = self.color_jitter
        return color_matrix(
            share * self.brightness,
            share * self.contrast,
            share * self.saturation,
            share * self.hue,
            random,
        )

    def strength(self, most: float, random: np.random.Generator) -> float:
        """Draw how strong a change is, 0 for none. What is off draws nothing."""
        if not most or random.random() >= self.chance:
            return 0.0
        return most * float(random.uniform(self.least, 1.0))
