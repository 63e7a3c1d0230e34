"""Temperatures and power, as Linux shows them; what is not there is left out."""

from __future__ import annotations

from pathlib import Path


def sensors(root: str | Path = "/") -> dict[str, float]:
    """Return readings by name: "cpu-thermal °C", "VDD_IN W".

    Temperatures are those of /sys/class/thermal. Power is that of hwmon: power*_input, or what
    volts and amperes of one channel give, as the INA3221 of Jetsons has them.
    """
    root = Path(root)
    found: dict[str, float] = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        value = _number(zone / "temp")
        if value is not None:
            found[f"{_text(zone / 'type') or zone.name} °C"] = round(value / 1000, 1)
    for folder in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        found |= _power(folder)
    return found


def _power(folder: Path) -> dict[str, float]:
    chip, found = _text(folder / "name") or folder.name, {}
    for path in sorted(folder.glob("power*_input")):
        value = _number(path)
        if value is not None:
            name = _text(path.with_name(path.name.replace("input", "label")))
            found[f"{name or f'{chip} {path.name[:-6]}'} W"] = round(value / 1e6, 3)
    for path in sorted(folder.glob("curr*_input")):
        channel = path.name.removeprefix("curr").removesuffix("_input")
        amperes, volts = _number(path), _number(folder / f"in{channel}_input")
        if amperes is not None and volts is not None:
            name = _text(folder / f"in{channel}_label") or f"{chip} channel {channel}"
            found[f"{name} W"] = round(amperes * volts / 1e6, 3)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if text.lstrip("-").isdigit() else None
