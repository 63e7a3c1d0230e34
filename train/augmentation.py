"""Random scale, crop, flip and colour, as a function of a seed: one warp and one colour matrix."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.spec import IGNORE

Pixels = NDArray[np.uint8]

GRAY = 127  # what lies outside of an image: zero after normalisation
LUMA = np.array([0.299, 0.587, 0.114])
# RGB to YIQ, in which a change of hue is a rotation of the last two axes.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


@dataclass(frozen=True)
class Augmentation:
    """How much a training image is changed.

    width, height: of the crop.
    scale: smallest and largest, drawn log-uniformly.
    aspect: largest stretch of width against height, either way, drawn log-uniformly.
    flip: chance of a horizontal flip.
    brightness, contrast, saturation: largest relative change.
    hue: largest rotation in degrees.
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

    def apply(
        self, image: Pixels, mask: Pixels, size: tuple[int, int], random: np.random.Generator
    ) -> tuple[Pixels, Pixels]:
        """Change an image (H, W, 3) and its mask (H, W) alike.

        size: (width, height) that scale 1 stands for. Returns (height, width, 3) and (height,
        width); what lies outside of the image is gray, and IGNORE in the mask.
        """
        warp = self.warp((image.shape[1], image.shape[0]), size, random)
        crop = (self.width, self.height)
        inverse = cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(
            image,
            warp,
            crop,
            flags=cv2.INTER_LINEAR | inverse,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(GRAY, GRAY, GRAY),
        )
        labels = cv2.warpAffine(
            mask,
            warp,
            crop,
            flags=cv2.INTER_NEAREST | inverse,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(IGNORE,),
        )
        colored = cv2.transform(moved, self.color(random))
        return np.asarray(colored, np.uint8), np.asarray(labels, np.uint8)

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
        return np.array([[step_x, 0.0, start_x], [0.0, step_y, start_y]])

    def color(self, random: np.random.Generator) -> NDArray[np.float64]:
        """Draw the colour change as a matrix (3, 4) for RGB of 0 to 255."""
        brightness, contrast, saturation = (
            1 + random.uniform(-most, most)
            for most in (self.brightness, self.contrast, self.saturation)
        )
        angle = np.deg2rad(random.uniform(-self.hue, self.hue))
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
        hue = np.linalg.inv(YIQ) @ turn @ YIQ
        gray = np.tile(LUMA, (3, 1))
        matrix = hue @ (saturation * np.eye(3) + (1 - saturation) * gray)
        offset = GRAY * (1 - contrast) * brightness
        return np.hstack([brightness * contrast * matrix, np.full((3, 1), offset)])
