"""RAPL: the energy counters of x86 processors, by the kernel's powercap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roadseg.runtime.sensors.meter import Meter
from roadseg.runtime.sensors.sysfs import listed, read_int, read_text

PLATFORM = "psys"  # the whole machine, packages and memory included


@dataclass
class Zone:
    """A power zone of the kernel's powercap.

    counter: file of microjoules; it begins anew after `range_uj`, which is 0 when it is not told:
    then what is used at that moment is left out.
    """

    name: str
    counter: Path
    range_uj: int
    last_uj: int
    joules: float = 0.0

    def update(self) -> None:
        """Add what was used since the last time."""
        now = read_int(self.counter)
        if now is None:
            return
        used = now - self.last_uj
        self.joules += (used if used >= 0 else max(0, used + self.range_uj)) / 1e6
        self.last_uj = now


def find_zones(root: Path) -> list[Zone]:
    """Return the zones that make up the total: the platform, or else packages and their memory.

    Since Linux 5.10 the counters are root's alone; those that cannot be read are left out.
    """
    zones = []
    for folder in listed(root / "sys/class/powercap", "intel-rapl:*"):
        name, now = read_text(folder / "name") or "", read_int(folder / "energy_uj")
        is_package = folder.name.count(":") == 1
        if now is not None and (is_package or name == "dram"):
            most = read_int(folder / "max_energy_range_uj") or 0
            zones.append(Zone(name, folder / "energy_uj", most, now))
    return [zone for zone in zones if zone.name == PLATFORM] or zones


class RaplMeter(Meter):
    """Adds up zones; to be asked before a counter begins anew twice, which takes minutes."""

    def __init__(self, zones: list[Zone]) -> None:
        self._zones = zones
        self.name = " + ".join(zone.name for zone in zones)

    def joules(self, now_s: float) -> float:
        """See Meter."""
        for zone in self._zones:
            zone.update()
        return sum(zone.joules for zone in self._zones)
