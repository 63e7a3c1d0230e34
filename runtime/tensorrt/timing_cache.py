"""Timings of layers from earlier builds, which make the next build faster."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from roadseg.runtime.files import write_bytes
from roadseg.runtime.tensorrt.platform import Platform


def load_timings(platform: Platform) -> bytes:
    """Return the timing cache of this GPU and TensorRT, b"" when there is none to read."""
    try:
        return timing_path(platform).read_bytes()
    except OSError:
        return b""


def save_timings(platform: Platform, content: bytes) -> None:
    """Keep a timing cache; a folder that cannot be written to is no error."""
    if content:
        with contextlib.suppress(OSError):
            write_bytes(timing_path(platform), content)


def timing_path(platform: Platform) -> Path:
    """Return its file: one for each GPU and version, as timings of others are of no use."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    gpu = re.sub(r"[^A-Za-z0-9]+", "-", platform.device.name)
    device = platform.device
    name = f"{gpu}-{device.capability}-{device.multiprocessors}-{platform.version}.timing"
    return Path(base) / "roadseg" / "timings" / name
