"""What a figure was measured on: the machine, and the versions of what ran."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any

# Instruction sets that decide how fast convolutions are, as Linux names them.
FLAGS = (
    *("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8"),
    *("asimd", "asimddp", "i8mm", "sve"),
)
DISTRIBUTIONS = {
    "roadseg": ("roadseg",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "openvino": ("openvino",),
    "numpy": ("numpy",),
    "opencv": (
        *("opencv-python-headless", "opencv-python"),
        *("opencv-contrib-python-headless", "opencv-contrib-python"),
    ),
}


def machine(root: str | Path = "/") -> dict[str, Any]:
    """Describe this machine (or the one whose /proc, /sys and /etc are under `root`).

    No host or user name: a report may be published. What cannot be read is left out.
    """
    root = Path(root)
    cpuinfo = _read(root / "proc/cpuinfo")
    cpufreq = root / "sys/devices/system/cpu/cpu0/cpufreq"
    found = {
        "cpu": _cpu_name(root, cpuinfo),
        "cores": _usable_cores(root),
        "flags": _flags(cpuinfo),
        "ram_gb": _ram_gb(root),
        "os": _os_name(root),
        "kernel": platform.release(),
        "arch": platform.machine(),
        "governor": _read(cpufreq / "scaling_governor").strip(),
        "mhz": _mhz(cpuinfo, cpufreq),
        "load": _load(root),
    }
    return {name: value for name, value in found.items() if value not in ("", None, [])}


def versions() -> dict[str, str]:
    """Return the versions of Python, roadseg and what it runs on; those installed."""
    found = {"python": platform.python_version()}
    for name, distributions in DISTRIBUTIONS.items():
        for distribution in distributions:
            try:
                found[name] = metadata.version(distribution)
                break
            except metadata.PackageNotFoundError:
                continue
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _field(text: str, name: str) -> str:
    match = re.search(rf"^{name}\s*[:=]\s*(.+)$", text, re.MULTILINE)
    return match[1].strip().strip('"') if match else ""


def _cpu_name(root: Path, cpuinfo: str) -> str:
    # ARM kernels have no "model name"; boards such as a Jetson name themselves in the device tree.
    board = _read(root / "proc/device-tree/model").strip("\0\n ")
    return _field(cpuinfo, "model name") or board or platform.processor() or platform.machine()


def _usable_cores(root: Path) -> int:
    cores = len(os.sched_getaffinity(0))
    quota, _, period = _read(root / "sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdigit() and int(period or 0):
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def _flags(cpuinfo: str) -> list[str]:
    present = set((_field(cpuinfo, "flags") or _field(cpuinfo, "Features")).split())
    return [flag for flag in FLAGS if flag in present]


def _ram_gb(root: Path) -> float | None:
    total = _field(_read(root / "proc/meminfo"), "MemTotal").split(" ")[0]
    return round(int(total) / 2**20, 1) if total.isdigit() else None


def _os_name(root: Path) -> str:
    return _field(_read(root / "etc/os-release"), "PRETTY_NAME") or platform.system()


def _mhz(cpuinfo: str, cpufreq: Path) -> float | None:
    most = _read(cpufreq / "cpuinfo_max_freq").strip()
    now = _field(cpuinfo, "cpu MHz")
    if most.isdigit():
        return int(most) / 1000
    return round(float(now)) if now else None


def _load(root: Path) -> float | None:
    """Return the load average of the last minute: what else ran while measuring began."""
    words = _read(root / "proc/loadavg").split()
    return float(words[0]) if words else None
