"""The cameras of the kernel's driver vivid, and what they are made to suffer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from roadseg.runtime import _v4l2
from roadseg.runtime.options import Size
from roadseg.runtime.sources.v4l2.options import V4l2Options

# By what ../test_in_vm.py loads vivid with; FAULTY has an output node too, OUTPUT.
SINGLE, MULTI, FAULTY, OUTPUT = (f"/dev/video{number}" for number in range(4))
DRIVER = Path("/sys/bus/platform/drivers/vivid")
PATIENT = {"timeout": 30.0, "open_timeout": 60.0}  # an emulated machine on a busy one is slow
SMALL = V4l2Options(Size(320, 180), fps=60, **PATIENT)


def set_control(node: str, name: str, value: int = 1) -> None:
    """Set a control from beside: vivid's faults are controls."""
    device = _v4l2.Device(node)
    number = next(control.id for control in device.controls() if control.name == name)
    device.set_control(number, value)
    device.close()


def unbind() -> None:
    (DRIVER / "unbind").write_text("vivid.0")


def bind() -> None:
    (DRIVER / "bind").write_text("vivid.0")
    wait_for(lambda: all(map(os.path.exists, (SINGLE, MULTI, FAULTY, OUTPUT))))


def mappings() -> list[str]:
    """What this process has mapped, a line of /proc/self/maps each."""
    return Path("/proc/self/maps").read_text().splitlines()


def mapping_of(address: int) -> str:
    """The line in which an address lies."""
    for line in mappings():
        low, high = (int(part, 16) for part in line.split()[0].split("-"))
        if low <= address < high:
            return line
    raise AssertionError("not mapped")


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
