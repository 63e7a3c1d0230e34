"""Faults of a camera that is not there: it goes away and comes back, stalls, changes its format."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from roadseg.runtime.errors import SourceLost
from roadseg.runtime.frame import Pixels
from roadseg.runtime.roads import RoadRenderer


@dataclass
class Plug:
    """Whether a rendered camera is plugged in; outlives the source that is open on it.

    away_until_ns: on the monotonic clock.
    times: it went away or stalled, so that each connection has faults of its own.
    renderer, frames: of what it sees, and what was rendered beforehand: what comes back is the
        same camera.
    """

    away_until_ns: int = 0
    times: int = 0
    renderer: RoadRenderer | None = None
    frames: list[Pixels] = field(default_factory=list)


PLUGS: dict[str, Plug] = {}  # by URI: the world outside, where cables are pulled


@dataclass
class Faults:
    """Draws the faults of one connection; shares are of frames, from 0 to 1.

    lose, stall, change: shares of frames at which the camera goes away, gives no more frames and no
        error, or changes the size of its frames.
    away_s: how long it stays away.
    """

    uri: str
    seed: int
    lose: float
    stall: float
    change: float
    away_s: float
    changed: bool = False
    plug: Plug = field(init=False)
    _random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        """Raise SourceLost while the camera is away."""
        self.plug = plug = PLUGS.setdefault(self.uri, Plug()) if self.lose or self.stall else Plug()
        left = (plug.away_until_ns - time.monotonic_ns()) / 1e9
        if left > 0:
            raise SourceLost(f"{self.uri} is away, as was asked for")
        self._random = np.random.default_rng([self.seed, 11, plug.times])

    def stalls(self) -> bool:
        """Draw the faults of a frame; whether the source stalls. Raises SourceLost."""
        lose, stall, change = self._random.random(3)
        self.changed ^= bool(change < self.change)
        if lose < self.lose:
            self.plug.times += 1
            self.plug.away_until_ns = time.monotonic_ns() + round(self.away_s * 1e9)
            raise SourceLost(f"{self.uri} went away, as was asked for")
        if stall < self.stall:
            self.plug.times += 1
            return True
        return False
