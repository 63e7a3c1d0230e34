"""INA3221: the power monitors of Jetsons; what tegrastats shows, from the same driver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roadseg.runtime.sensors.meter import Meter
from roadseg.runtime.sensors.sysfs import listed, read_int, read_text

TOTAL = ("VDD_IN", "POM_5V_IN")  # rails that all others hang on, on the boards that have one
CHANNELS = (1, 2, 3)  # the driver's others are sums of shunt voltages and currents


@dataclass(frozen=True)
class Rail:
    """A supply rail.

    voltage, current: files of the kernel's ina3221 driver, in mV and mA.
    """

    name: str
    voltage: Path
    current: Path

    def watts(self) -> float | None:
        """Return the power now; None when it cannot be read."""
        millivolts, milliamperes = read_int(self.voltage), read_int(self.current)
        if millivolts is None or milliamperes is None:
            return None
        return millivolts * milliamperes / 1e6


def find_rails(root: Path) -> list[Rail]:
    """Return the rails under /sys/class/hwmon; those that are not connected are left out."""
    rails = []
    for chip in listed(root / "sys/class/hwmon", "hwmon*"):
        if read_text(chip / "name") != "ina3221":
            continue
        for number in CHANNELS:
            label = read_text(chip / f"in{number}_label") or ""
            rail = Rail(label, chip / f"in{number}_input", chip / f"curr{number}_input")
            is_on = read_int(chip / f"in{number}_enable") != 0
            if label and label != "NC" and is_on and rail.watts() is not None:
                rails.append(rail)
    return rails


class RailMeter(Meter):
    """Adds up power over time, each reading with the one before it (the trapezoidal rule).

    The total is the input rail where the board has one, else the sum of all rails.
    """

    def __init__(self, rails: list[Rail]) -> None:
        total = [rail for rail in rails if rail.name in TOTAL]
        self._rails = total or rails
        self.name = " + ".join(rail.name for rail in self._rails)
        self._joules = 0.0
        self._last: tuple[float, float] | None = None  # seconds, watts

    def joules(self, now_s: float) -> float:
        """See Meter."""
        known = [watts for rail in self._rails if (watts := rail.watts()) is not None]
        if len(known) == len(self._rails):  # else this reading is left out
            watts = sum(known)
            if self._last:
                self._joules += (watts + self._last[1]) / 2 * (now_s - self._last[0])
            self._last = now_s, watts
        return self._joules
