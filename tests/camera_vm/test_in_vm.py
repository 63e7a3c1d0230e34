"""Cameras of a real kernel: Debian's, in qemu, with its own drivers; the tests in guest/ run in it.

The first run fetches the kernel's package. Software emulation: no speed is taken from it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOOLS = ["qemu-system-x86_64", "busybox", "depmod", "cpio", "zstd", "apt-get"]
# Three cameras of the driver vivid: with one memory plane, with several, and one to suffer, with an
# output; and a host for a USB camera, which a test plugs in.
MODULES = (
    "vivid n_devs=3 node_types=0x1,0x1,0x101 num_inputs=1,1,1 input_types=0,0,0 multiplanar=1,2,1"
    ";vhci_hcd;uvcvideo"
)
# A receiver of HDMI that does not scale what it gets.
RECEIVER = "vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=3 ccs_cap_mode=0"
GUESTS = [f"tests/camera_vm/guest/test_{name}.py" for name in ("pixels", "stream", "usb")]
HANG = 900  # seconds of one test; a hundred times unplugged took 310
CONTRACT = [
    "test_frames_come_in_order_until_the_end",
    "test_a_held_frame_is_not_written_over",
    "test_a_read_ends_when_it_is_cancelled",
    "test_copies_have_a_reason",
]


def contract(kind: str) -> list[str]:
    """The contract of all sources, on a camera that is in a VM alone."""
    return [f"tests/runtime/test_sources.py::{name}[{kind}]" for name in CONTRACT]


def run_in_vm(
    model: Path,
    tests: list[str],
    rounds: int = 2,
    kernel: str = "6.1",
    long: str = "",
    modules: str = MODULES,
) -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool, path=search_path()) is None]
    if missing or not Path("/lib/systemd/systemd-udevd").exists():
        pytest.skip(f"a VM needs {', '.join(missing) or 'udev'}: see docs/cameras.md")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5"]
    words += [f"-ofaulthandler_timeout={HANG}", "-ofaulthandler_exit_on_timeout=true"]
    words += ["-o", f"pythonpath={HERE} {HERE / 'guest'}", *tests]
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
    run = subprocess.run(
        [HERE / "run-in-vm.sh", *words],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(run.stdout)
    if run.returncode == 125 and ("cannot download" in run.stdout or "apt knows no" in run.stdout):
        pytest.skip(f"the VM's kernel cannot be fetched: {run.stdout.splitlines()[-1]}")
    assert run.returncode == 0, run.stdout[-4000:]


def search_path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@pytest.mark.slow
def test_cameras_of_a_real_kernel(model: Path) -> None:
    run_in_vm(model, [*GUESTS, *contract("camera"), *contract("usb-camera")])


@pytest.mark.slow
def test_a_receiver_whose_signal_changes(model: Path) -> None:
    run_in_vm(model, ["tests/camera_vm/guest/test_receiver.py"], modules=RECEIVER)


@pytest.mark.vm_long
def test_a_hundred_times(model: Path) -> None:
    run_in_vm(model, GUESTS, rounds=100, long="1")


@pytest.mark.vm_long
def test_a_newer_kernel(model: Path) -> None:
    run_in_vm(model, GUESTS, kernel="6.12", long="1")
