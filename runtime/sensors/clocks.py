"""Clocks of processors, and what the kernel says of throttling."""

from __future__ import annotations

from pathlib import Path

from roadseg.runtime.sensors.sysfs import listed, read_int, read_text

GPUS = ("gpu", "gv11b", "ga10b", "gp10b")  # in names of devfreq devices
PI_BITS = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}


def clocks(root: Path) -> dict[str, tuple[float, float | None]]:
    """Return MHz now, and the most that is allowed now, by unit: "cpu0", "gpu".

    CPUs are told by the first of each frequency policy.
    """
    found: dict[str, tuple[float, float | None]] = {}
    for policy in listed(root / "sys/devices/system/cpu/cpufreq", "policy*"):
        now, most = read_int(policy / "scaling_cur_freq"), read_int(policy / "scaling_max_freq")
        if now is not None:
            found[policy.name.replace("policy", "cpu")] = now / 1e3, most and most / 1e3
    for device in listed(root / "sys/class/devfreq", "*"):
        now, most = read_int(device / "cur_freq"), read_int(device / "max_freq")
        if now is not None and any(name in device.name for name in GPUS):
            found[device.name] = now / 1e6, most and most / 1e6
    for card in listed(root / "sys/class/drm", "card?"):
        now, most = read_int(card / "gt_act_freq_mhz"), read_int(card / "gt_max_freq_mhz")
        if now is not None:
            found[card.name] = float(now), most and float(most)
    return found


def throttle_counts(root: Path) -> dict[str, int]:
    """Return counters that grow when a processor is throttled, by what they count."""
    found: dict[str, int] = {}
    for cpu in listed(root / "sys/devices/system/cpu", "cpu[0-9]*"):
        for kind in ("core", "package"):
            count = read_int(cpu / f"thermal_throttle/{kind}_throttle_count")
            if count is not None:
                name = f"{kind} thermal throttling"
                found[name] = found.get(name, 0) + count
    for chip in listed(root / "sys/class/hwmon", "hwmon*"):  # over-current events of Jetsons
        for path in listed(chip, "oc*_event_cnt"):
            if (count := read_int(path)) is not None:
                found[f"over-current {path.name.split('_')[0]}"] = count
    return found


def throttle_flags(root: Path) -> list[str]:
    """Return what is flagged now: by Intel's graphics, and by a Raspberry Pi's firmware."""
    flags = [
        f"{path.parent.parent.parent.name} throttled"
        for path in listed(root / "sys/class/drm", "card?/gt/gt*/throttle_reason_status")
        if read_text(path) == "1"
    ]
    bits = read_text(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    try:
        value = int(bits or "0", 16)
    except ValueError:
        value = 0
    return flags + [name for bit, name in PI_BITS.items() if value >> bit & 1]
