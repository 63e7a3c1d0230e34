"""Weather and light: the colours that everything in a scene is painted in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Color = tuple[float, float, float]  # BGR, 0 to 255
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Weather:
    """Light and air of a scene; colours are BGR.

    gain: of the light on things, per channel.
    sky: colours of the zenith and of the horizon.
    haze: what distant things fade into.
    visibility: metres until they have faded to a third.
    clouds: share of the sky that is covered.
    noise: of the sensor, standard deviation in grey levels.
    night: lamps, windows and headlights are lit.
    rain: streaks of rain are seen.
    """

    gain: Color
    sky: tuple[Color, Color]
    haze: Color
    visibility: float
    clouds: float
    noise: float = 2.0
    night: bool = False
    rain: bool = False

    def lit(self, color: Color, factor: float = 1.0) -> Color:
        """Return a surface's colour in this light."""
        b, g, r = (c * gain * factor for c, gain in zip(color, self.gain, strict=True))
        return b, g, r

    def light(self, picture: Pixels) -> Pixels:
        """Return a texture (H, W, 3) in this light."""
        return np.asarray(np.clip(picture * np.array(self.gain), 0, 255), np.uint8)

    def faded(self, distance: float) -> float:
        """Return how much of a thing at a distance (m) is haze, 0 to 1."""
        return 1.0 - float(np.exp(-distance / self.visibility))

    def through_air(self, color: Color, distance: float) -> Color:
        """Return a colour as it is seen from a distance (m)."""
        haze = self.faded(distance)
        b, g, r = (c + haze * (h - c) for c, h in zip(color, self.haze, strict=True))
        return b, g, r


WEATHERS = {
    "clear": Weather(
        (0.95, 1.0, 1.05), ((210, 140, 70), (240, 215, 185)), (235, 215, 195), 420, 0.3
    ),
    "overcast": Weather(
        (0.88, 0.86, 0.84), ((190, 182, 175), (222, 218, 214)), (215, 211, 208), 260, 0.8
    ),
    "dusk": Weather(
        (0.58, 0.66, 0.86), ((120, 80, 60), (110, 160, 240)), (120, 140, 190), 220, 0.5, 3.5
    ),
    "fog": Weather(
        (0.85, 0.85, 0.85), ((205, 203, 200), (212, 210, 208)), (210, 208, 206), 38, 0.0
    ),
    "rain": Weather(
        (0.62, 0.6, 0.58), ((130, 124, 120), (160, 155, 150)), (150, 146, 142), 110, 0.9,
        3.0, rain=True,
    ),
    "night": Weather(
        (0.24, 0.2, 0.19), ((30, 18, 12), (45, 32, 28)), (38, 28, 25), 120, 0.2,
        5.0, night=True,
    ),
}  # fmt: skip
