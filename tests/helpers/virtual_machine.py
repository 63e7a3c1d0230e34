"""Machines of qemu with a real kernel, which run tests of their own; see tests/camera_vm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "camera_vm"
TOOLS = ["qemu-system-x86_64", "busybox", "depmod", "cpio", "zstd", "apt-get"]
HANG = 900  # seconds of one test; a hundred times unplugged took 310


@dataclass(frozen=True)
class CameraVm:
    """A machine that runs, and what it writes."""

    process: subprocess.Popen[bytes]
    told: IO[bytes]

    def passes(self) -> None:
        """Wait for its end: its tests pass, or this one fails, with what the machine wrote last."""
        code = self.process.wait()
        self.told.seek(0)
        told = self.told.read().decode(errors="replace")
        print(told)
        if code == 125 and ("cannot download" in told or "apt knows no" in told):
            pytest.skip(f"the VM's kernel cannot be fetched: {told.splitlines()[-1]}")
        assert code == 0, told[-4000:]

    def stop(self) -> None:
        """End it, where its test did not wait for it."""
        self.process.terminate()
        self.process.wait()
        self.told.close()


def start(
    model: Path,
    told: IO[bytes],
    tests: list[str],
    rounds: int = 2,
    kernel: str = "6.1",
    long: str = "",
    modules: str = "vivid",
) -> CameraVm:
    """Boot a machine that runs the tests; what it says goes to a file."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5"]
    words += [f"-ofaulthandler_timeout={HANG}", "-ofaulthandler_exit_on_timeout=true"]
    words += ["-o", f"pythonpath={ROOT / 'tests/helpers'} {FOLDER} {FOLDER / 'guest'}", *tests]
    settings = {
        "VM_RW": str(model.parent),
        "VM_MODULES": modules,
        "VM_KERNEL": kernel,
        "VM_UDEV": "1",
        "VM_TIMEOUT": "3000" if long else "1800",
        "VM_ENV": "MODEL ROUNDS VM_LONG PYTHONDONTWRITEBYTECODE",
        "VM_CACHE": str(ROOT / "build" / "camera-vm"),
        "MODEL": str(model),
        "ROUNDS": str(rounds),
        "VM_LONG": long,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": f"{Path(sys.executable).parent}:{search_path()}",
    }
    process = subprocess.Popen(
        [FOLDER / "run-in-vm.sh", *words],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=told,
        stderr=subprocess.STDOUT,
    )
    return CameraVm(process, told)


def missing() -> list[str]:
    """Name what a machine needs and this one has not."""
    tools = [tool for tool in TOOLS if shutil.which(tool, path=search_path()) is None]
    return tools if Path("/lib/systemd/systemd-udevd").exists() else [*tools, "udev"]


def search_path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
