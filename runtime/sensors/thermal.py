"""Temperatures, and cooling that slows a processor down, by the kernel's thermal zones."""

from __future__ import annotations

from pathlib import Path

from roadseg.runtime.sensors.sysfs import listed, read_int, read_text

PLAUSIBLE_C = (-40.0, 150.0)  # sensors without power tell others
CONSTANT = ("PMIC-Die",)  # says 100 °C on some Jetsons, whatever it is
# Cooling devices that lower a processor's clock; the others are fans.
SLOWING = ("cpufreq-", "devfreq-", "thermal-cpufreq", "thermal-devfreq", "Processor")


def temperatures(root: Path) -> dict[str, float]:
    """Return degrees Celsius by zone; of zones with the same name the hottest."""
    found: dict[str, float] = {}
    for zone in listed(root / "sys/class/thermal", "thermal_zone*"):
        name, thousandths = read_text(zone / "type"), read_int(zone / "temp")
        if name and thousandths is not None and name not in CONSTANT:
            celsius = thousandths / 1000
            if PLAUSIBLE_C[0] < celsius < PLAUSIBLE_C[1]:
                found[name] = max(celsius, found.get(name, celsius))
    return found


def slowing(root: Path) -> list[str]:
    """Return the names of cooling devices that slow a processor down now."""
    devices = listed(root / "sys/class/thermal", "cooling_device*")
    return [
        name
        for device in devices
        if (name := read_text(device / "type") or "").startswith(SLOWING)
        and (read_int(device / "cur_state") or 0) > 0
    ]
