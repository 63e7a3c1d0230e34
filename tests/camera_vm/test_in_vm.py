"""Cameras of a real kernel: Debian's, in qemu, with its own drivers; the tests in guest/ run in it.

The first run fetches the kernel's package. Software emulation: no speed is taken from it.
"""

from __future__ import annotations

import pytest
from virtual_machine import CameraVm

# Three cameras of the driver vivid: with one memory plane, with several, and one to suffer, with an
# output; and a host for a USB camera, which a test plugs in.
CAMERAS = (
    "vivid n_devs=3 node_types=0x1,0x1,0x101 num_inputs=1,1,1 input_types=0,0,0 multiplanar=1,2,1"
    ";vhci_hcd;uvcvideo"
)
# A receiver of HDMI that does not scale what it gets.
RECEIVER = "vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=3 ccs_cap_mode=0"
GUESTS = [f"tests/camera_vm/guest/test_{name}.py" for name in ("pixels", "stream", "usb")]
# The contract of all sources, on cameras that are in a VM alone.
CONTRACT = [
    f"tests/runtime/test_sources.py::{name}[{kind}]"
    for kind in ("camera", "usb-camera")
    for name in (
        "test_frames_come_in_order_until_the_end",
        "test_a_held_frame_is_not_written_over",
        "test_a_read_ends_when_it_is_cancelled",
        "test_copies_have_a_reason",
    )
]


@pytest.mark.slow
@pytest.mark.camera_vm([*GUESTS, *CONTRACT], modules=CAMERAS)
def test_cameras_of_a_real_kernel(camera_vm: CameraVm) -> None:
    camera_vm.passes()


@pytest.mark.slow
@pytest.mark.camera_vm(["tests/camera_vm/guest/test_receiver.py"], modules=RECEIVER)
def test_a_receiver_whose_signal_changes(camera_vm: CameraVm) -> None:
    camera_vm.passes()


@pytest.mark.vm_long
@pytest.mark.camera_vm(GUESTS, modules=CAMERAS, rounds=100, long="1")
def test_a_hundred_times(camera_vm: CameraVm) -> None:
    camera_vm.passes()


@pytest.mark.vm_long
@pytest.mark.camera_vm(GUESTS, modules=CAMERAS, kernel="6.12", long="1")
def test_a_newer_kernel(camera_vm: CameraVm) -> None:
    camera_vm.passes()
