"""SensorLog: energy, heat and throttling from one moment on."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadseg.runtime.sensors.clocks import clocks, throttle_counts, throttle_flags
from roadseg.runtime.sensors.ina3221 import RailMeter, find_rails
from roadseg.runtime.sensors.meter import Meter
from roadseg.runtime.sensors.rapl import RaplMeter, find_zones
from roadseg.runtime.sensors.thermal import slowing, temperatures

EVERY_S = 1.0


@dataclass
class Readings:
    """What was seen so far; None and empty where the machine tells nothing.

    seconds: from the first reading to the last.
    meter: what the energy is of.
    joules: used in that time, by the whole machine and not by this process alone.
    celsius: by zone, at the last reading.
    max_celsius, hottest: the most, and the zone that had it.
    clocks: MHz now and allowed, by unit, at the last reading.
    throttled: reasons, each once, in the order they were seen.
    """

    seconds: float = 0.0
    meter: str = ""
    joules: float | None = None
    celsius: dict[str, float] = field(default_factory=dict)
    max_celsius: float | None = None
    hottest: str = ""
    clocks: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    throttled: list[str] = field(default_factory=list)

    @classmethod
    def sum(cls, parts: Sequence[dict[str, Any]]) -> Readings:
        """Return the readings of several times as one; a part is the `vars` of a Readings."""
        whole = cls(meter=parts[0]["meter"])
        for part in parts:
            whole.seconds += part["seconds"]
            if part["joules"] is not None:
                whole.joules = (whole.joules or 0.0) + part["joules"]
            if part["max_celsius"] is not None:
                hotter = whole.max_celsius is None or part["max_celsius"] > whole.max_celsius
                if hotter:
                    whole.max_celsius, whole.hottest = part["max_celsius"], part["hottest"]
            whole.throttled += [one for one in part["throttled"] if one not in whole.throttled]
        return whole

    @property
    def watts(self) -> float | None:
        """Mean power."""
        return None if self.joules is None or not self.seconds else self.joules / self.seconds

    def line(self, frames: int) -> str:
        """Return all in one line, "" where the machine tells nothing."""
        parts = []
        if self.joules is not None and self.watts is not None:
            each = f", {self.joules / frames:.3f} J a frame" if frames else ""
            parts.append(f"{self.watts:.1f} W mean{each} ({self.meter})")
        if self.max_celsius is not None:
            parts.append(f"{self.max_celsius:.1f} °C at most ({self.hottest})")
        if self.throttled:
            parts.append(f"throttled: {', '.join(self.throttled)}")
        return "; ".join(parts)

    def figures(self, frames: int) -> dict[str, Any]:
        """Return what a benchmark's row keeps of it."""
        found = {
            "joules_per_frame": None if self.joules is None else self.joules / max(1, frames),
            "watts": self.watts,
            "max_c": self.max_celsius,
        }
        named: dict[str, Any] = {k: round(v, 4) for k, v in found.items() if v is not None}
        if self.joules is not None:
            named["meter"] = self.meter
        return {**named, "throttled": ", ".join(self.throttled)} if self.throttled else named


class SensorLog:
    """Reads all sensors when it is made and at each `update`; any thread may read `readings`.

    root: folder that /sys is under.
    Not verified on a device: it keeps to what the kernel documents.
    """

    def __init__(self, root: str | Path = "/") -> None:
        self.readings = Readings()
        self._root, self._lock = Path(root), threading.Lock()
        self._meter = _find_meter(self._root)
        self._counts = throttle_counts(self._root)
        self._limits: dict[str, float] = {}
        self._start: float | None = None
        self.update()

    @property
    def found(self) -> bool:
        """Whether the machine tells anything."""
        seen = self.readings
        return bool(self._meter or seen.celsius or seen.clocks or self._counts)

    def update(self) -> Readings:
        """Read all sensors; return what was seen so far."""
        with self._lock:
            seen, now = self.readings, time.monotonic()
            self._start = now if self._start is None else self._start
            if self._meter:
                seen.meter, seen.joules = self._meter.name, self._meter.joules(now)
            seen.seconds = now - self._start
            seen.celsius, seen.clocks = temperatures(self._root), clocks(self._root)
            self._note_heat(seen)
            for reason in self._reasons(seen):
                if reason not in seen.throttled:
                    seen.throttled.append(reason)
            return seen

    @staticmethod
    def _note_heat(seen: Readings) -> None:
        for name, celsius in seen.celsius.items():
            if seen.max_celsius is None or celsius > seen.max_celsius:
                seen.max_celsius, seen.hottest = celsius, name

    def _reasons(self, seen: Readings) -> list[str]:
        reasons = [*slowing(self._root), *throttle_flags(self._root)]
        for name, count in throttle_counts(self._root).items():
            if count > self._counts.setdefault(name, count):
                reasons.append(name)
        for unit, (_, most) in seen.clocks.items():
            if most and most < self._limits.setdefault(unit, most):
                reasons.append(f"{unit} down to {most:.0f} of {self._limits[unit]:.0f} MHz")
        return reasons


def _find_meter(root: Path) -> Meter | None:
    if rails := find_rails(root):
        return RailMeter(rails)
    zones = find_zones(root)
    return RaplMeter(zones) if zones else None


class SensorThread:
    """Updates a log once a second until it is closed; where there is nothing it does nothing."""

    def __init__(self, log: SensorLog, every_s: float = EVERY_S) -> None:
        self.log, self._every_s = log, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sensors", daemon=True)
        if log.found:
            self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.log.update()

    def close(self) -> Readings:
        """End; return all that was seen, a last reading included."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        return self.log.update()
