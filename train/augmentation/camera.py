"""What a camera does to a picture: blur, noise, JPEG."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

SIGMA = 2.5  # of defocus at strength 1, in pixels
MOTION = 17  # length of motion blur at strength 1, in pixels
NOISE = 18.0  # standard deviation of noise at strength 1, of 255
QUALITY = (90, 10)  # of JPEG at strength 0 and 1
SPARE = 64  # pixels that the stored noise is larger than a crop
STORED = 32.0  # standard deviation of the stored noise


def blurred(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Blur by defocus or by motion, one as often as the other."""
    if random.random() < 0.5:
        sigma = max(0.1, SIGMA * strength)
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    length = 3 + (MOTION - 3) * strength
    angle = random.uniform(0, np.pi)
    half = int(np.ceil(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = [[round(float(v) * 16) for v in half + sign * reach] for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, 4)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def noisy(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Add a piece of stored noise: to draw it anew would take longer than all else."""
    height, width = image.shape[:2]
    x, y = random.integers(0, SPARE, 2)
    noise = _noise(height + SPARE, width + SPARE)[y : y + height, x : x + width]
    share = NOISE * strength / STORED
    return np.asarray(cv2.addWeighted(image, 1.0, noise, share, -128 * share), np.uint8)


@lru_cache(maxsize=2)
def _noise(height: int, width: int) -> Pixels:
    """Return normal noise around 128, (height, width, 3): half of it gray, half of it coloured."""
    random = np.random.default_rng(0)
    gray = random.standard_normal((height, width, 1), np.float32)
    color = random.standard_normal((height, width, 3), np.float32)
    noise = STORED * np.sqrt(0.5) * (gray + color)
    return np.asarray(np.clip(128.5 + noise, 0, 255), np.uint8)


def compressed(image: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Compress as a JPEG and decode it again."""
    best, worst = QUALITY
    quality = round(best + (worst - best) * strength)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    # Not converted to BGR: the chroma that JPEG thins out is then another mix, but thinned as well.
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
