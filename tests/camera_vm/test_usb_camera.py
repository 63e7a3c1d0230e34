"""The USB camera made of software, without a kernel: what its answers must not leave out."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

SUBMIT, UNLINK, SUBMITTED, UNLINKED = 1, 2, 3, 4
ECONNRESET = 104


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """The kernel's end of the cable of a camera that is plugged in."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import usb_camera

    pair = socket.socketpair()
    end = pair[1].dup()
    end.settimeout(10)
    monkeypatch.setattr(socket, "socketpair", lambda: pair)
    monkeypatch.setattr(usb_camera, "ATTACH", tmp_path / "attach")
    usb_camera.UsbCamera(0, "0001").plug()
    return end


def request(command: int, sequence: int, argument: int) -> bytes:
    """48 bytes of USB/IP on endpoint 1, inwards: the unlinked sequence or flags, then a length."""
    return struct.pack(">7I20x", command, sequence, 0, 1, 1, argument, 16384)


def answer(kernel: socket.socket) -> tuple[int, int, int]:
    """Command, sequence and status."""
    command, sequence, _, _, _, status = struct.unpack(
        ">5Ii24x", kernel.recv(48, socket.MSG_WAITALL)
    )
    return command, sequence, status


def test_a_request_that_its_unlink_overtook_is_answered(kernel: socket.socket) -> None:
    """Else the kernel waits for it for ever, in STREAMOFF."""
    with kernel:
        kernel.sendall(request(UNLINK, 8, 7))
        assert answer(kernel) == (UNLINKED, 8, -ECONNRESET)
        kernel.sendall(request(SUBMIT, 7, 0))
        assert answer(kernel) == (SUBMITTED, 7, -ECONNRESET)
