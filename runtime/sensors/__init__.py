"""Power, heat and clocks, where the kernel tells them; a machine that tells nothing is fine."""

from __future__ import annotations

from roadseg.runtime.sensors.log import Readings, SensorLog, SensorThread

__all__ = ["Readings", "SensorLog", "SensorThread"]
