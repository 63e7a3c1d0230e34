"""A change of colour as one matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roadseg.train.augmentation.geometry import GRAY

LUMA = np.array([0.299, 0.587, 0.114])
# RGB to YIQ, in which a change of hue is a rotation of the last two axes.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def color_matrix(
    brightness: float, contrast: float, saturation: float, hue: float, random: np.random.Generator
) -> NDArray[np.float64]:
    """Draw a matrix (3, 4) for RGB of 0 to 255.

    brightness, contrast, saturation: largest relative change.
    hue: largest rotation in degrees.
    """
    brightness, contrast, saturation = (
        1 + random.uniform(-most, most) for most in (brightness, contrast, saturation)
    )
    angle = np.deg2rad(random.uniform(-hue, hue))
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    turned = np.linalg.inv(YIQ) @ turn @ YIQ
    gray = np.tile(LUMA, (3, 1))
    matrix = turned @ (saturation * np.eye(3) + (1 - saturation) * gray)
    offset = GRAY * (1 - contrast) * brightness
    return np.hstack([brightness * contrast * matrix, np.full((3, 1), offset)])
