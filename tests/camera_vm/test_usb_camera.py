"""The USB camera made of software, without a kernel: what its answers must not leave out."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

SUBMIT, UNLINK, SUBMITTED, UNLINKED = 1, 2, 3, 4
ECONNRESET = 104
SET_CUR, CLEAR_FEATURE, COMMIT = 1, 1, 0x200
MJPG, NV12, JPEG_BEGINS = 1, 3, b"\xff\xd8"
STREAMED = (2, 5)  # what is asked of the stream and not taken back


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


def request(command: int, sequence: int, argument: int = 0) -> bytes:
    """48 bytes of USB/IP on endpoint 1, inwards: the unlinked sequence or flags, then a length."""
    return struct.pack(">7I20x", command, sequence, 0, 1, 1, argument, 16384)


def control(sequence: int, kind: int, request: int, value: int, data: bytes = b"") -> bytes:
    """A control request that gives data."""
    setup = struct.pack("<BBHHH", kind, request, value, 1, len(data))
    return struct.pack(">7I12x", SUBMIT, sequence, 0, 0, 0, 0, len(data)) + setup + data


def answer(kernel: socket.socket) -> tuple[int, int, int, bytes]:
    """Command, sequence, status and data."""
    head = kernel.recv(48, socket.MSG_WAITALL)
    command, sequence, _, _, _, status, length = struct.unpack(">5IiI20x", head)
    given = command == SUBMITTED and status == 0 and sequence in STREAMED
    return command, sequence, status, kernel.recv(length, socket.MSG_WAITALL) if given else b""


def test_a_request_that_its_unlink_overtook_is_answered(kernel: socket.socket) -> None:
    """Else the kernel waits for it for ever, in STREAMOFF."""
    with kernel:
        kernel.sendall(request(UNLINK, 8, 7))
        assert answer(kernel) == (UNLINKED, 8, -ECONNRESET, b"")
        kernel.sendall(request(SUBMIT, 7))
        assert answer(kernel) == (SUBMITTED, 7, -ECONNRESET, b"")


def test_a_stream_gets_nothing_of_the_one_before(kernel: socket.socket) -> None:
    """A frame of NV12 waits for room when the stream ends; then JPEGs are asked for."""
    with kernel:
        kernel.sendall(control(1, 0x21, SET_CUR, COMMIT, choice(NV12)) + request(SUBMIT, 2))
        assert answer(kernel)[:3] == (SUBMITTED, 1, 0)
        assert len(answer(kernel)[3]) == 16384
        kernel.sendall(control(3, 2, CLEAR_FEATURE, 0))
        kernel.sendall(control(4, 0x21, SET_CUR, COMMIT, choice(MJPG)) + request(SUBMIT, 5))
        answers = {sequence: data for _, sequence, _, data in (answer(kernel) for _ in range(3))}
        assert answers[5][2:4] == JPEG_BEGINS


def choice(form: int) -> bytes:
    """The 26 bytes that commit to a format, 640x360 at 30 FPS."""
    return struct.pack("<HBBI18x", 1, form, 1, 333333)
