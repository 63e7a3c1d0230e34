"""Snapshot: temperatures and power at one moment."""

from __future__ import annotations

from pathlib import Path

from roadseg.runtime.sensors.ina3221 import find_rails
from roadseg.runtime.sensors.thermal import temperatures


def snapshot(root: str | Path = "/") -> dict[str, float]:
    """Return readings by name, such as "cpu-thermal °C" and "VDD_IN W"; {} where there are none.

    root: folder that /sys is under.
    """
    root = Path(root)
    heat = {f"{name} °C": round(celsius, 1) for name, celsius in temperatures(root).items()}
    power = {rail.name: rail.watts() for rail in find_rails(root)}
    return heat | {
        f"{name} W": round(watts, 3) for name, watts in power.items() if watts is not None
    }
