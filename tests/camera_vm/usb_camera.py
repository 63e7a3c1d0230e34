"""A USB webcam made of software: a UVC device served to this kernel's own USB stack.

vhci_hcd is the client side of USB/IP; it is given one end of a socket pair, so no network is there,
and the real uvcvideo driver makes /dev/videoN of what comes from the other end. Bulk transfers.

    modprobe -a vhci_hcd uvcvideo; python usb_camera.py < commands

One command a line: plug, unplug, freeze S (no data for S seconds), corrupt N (N frames overwritten
in the middle), short N (N frames cut to half), error N (N transfers fail), stall (no answer to
control requests any more), quit. Each is answered with "ok".
"""

from __future__ import annotations

import argparse
import queue
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

import usb_descriptors as descriptors
from usb_descriptors import FORMATS, INTERVALS, SIZES, frame_bytes
from usb_pictures import picture

PAYLOAD = 16384  # 32 packets of 512 bytes: the most that uvcvideo puts into one bulk URB
ATTACH = "/sys/devices/platform/vhci_hcd.0/attach"
CTRL = "<HBBIHHHHHII"  # of UVC's probe and commit
EPROTO, EPIPE, ECONNRESET = 71, 32, 104
GET_DESCRIPTOR, GET_STATUS, CLEAR_FEATURE = 6, 0, 1
SET_CUR, GET_CUR, GET_MIN, GET_MAX, GET_RES, GET_LEN, GET_INFO, GET_DEF = 1, *range(0x81, 0x88)


class UsbCamera:
    """The device; plug and unplug are its cable."""

    def __init__(self, port: int, serial: str) -> None:
        self._port, self._strings = port, descriptors.strings(serial)
        self._socket: socket.socket | None = None
        self._sending = threading.Lock()
        self.freeze_until = 0.0
        self.corrupt = self.short = self.error = 0
        self.stalled = False
        self._brightness = 128

    def plug(self) -> None:
        if self._socket is not None:
            return
        self._socket, peer = socket.socketpair()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self._pending: queue.Queue[tuple[int, int]] = queue.Queue()
        self._unlinked: set[int] = set()
        self.stalled = self._running = False
        self._choice = (1, 1, INTERVALS[0])  # format, size, interval
        with open(ATTACH, "w") as attach:
            attach.write(f"{self._port} {peer.fileno()} {0x10002} 3")
        peer.close()
        for body in (self._serve, self._stream):
            threading.Thread(target=body, args=(self._socket,), daemon=True).start()

    def unplug(self) -> None:
        cable, self._socket = self._socket, None
        if cable is not None:
            cable.shutdown(socket.SHUT_RDWR)
            cable.close()

    def _serve(self, cable: socket.socket) -> None:
        """Answer USB/IP requests until the cable is pulled."""
        try:
            while True:
                head = _receive(cable, 48)
                command, sequence, _, inwards, endpoint = struct.unpack(">5I", head[:20])
                if command == 2:
                    self._unlink(cable, sequence, head)
                    continue
                length = struct.unpack(">I", head[24:28])[0]
                data = b"" if inwards else _receive(cable, length)
                if sequence in self._unlinked:
                    self._answer_taken_back(cable, sequence)
                elif endpoint == 1:
                    self._pending.put((sequence, length))
                    self._running = True
                elif not self.stalled:
                    answer = self._control(*struct.unpack("<BBHHH", head[40:48]), data)
                    self._answer(cable, sequence, answer, length, bool(inwards))
        except (OSError, ValueError):
            return

    def _unlink(self, cable: socket.socket, sequence: int, head: bytes) -> None:
        with self._sending:
            self._unlinked.add(struct.unpack(">I", head[20:24])[0])
            cable.sendall(struct.pack(">IIIIIi24x", 4, sequence, 0, 0, 0, -ECONNRESET))

    def _answer_taken_back(self, cable: socket.socket, sequence: int) -> None:
        """Answer a request whose unlink overtook it, or the kernel waits for it for ever.

        vhci sends what it unlinks in a queue of its own; its answer found nothing to give back yet.
        """
        self._unlinked.remove(sequence)
        self._reply(cable, sequence, status=-ECONNRESET)

    def _answer(
        self, cable: socket.socket, sequence: int, answer: bytes | None, length: int, inwards: bool
    ) -> None:
        if answer is None:
            self._reply(cable, sequence, status=-EPIPE)
        elif inwards:
            self._reply(cable, sequence, answer[:length])
        else:
            self._reply(cable, sequence, taken=length)

    def _reply(
        self,
        cable: socket.socket,
        sequence: int,
        data: bytes = b"",
        status: int = 0,
        taken: int | None = None,
    ) -> None:
        length = len(data) if taken is None else taken
        head = struct.pack(">IIIIIiIIII8x", 3, sequence, 0, 0, 0, status, length, 0, 0xFFFFFFFF, 0)
        with self._sending:  # an answer to what was taken back would end the connection
            if sequence not in self._unlinked:
                cable.sendall(head + data)

    def _control(
        self, kind: int, request: int, value: int, index: int, length: int, data: bytes
    ) -> bytes | None:
        """Answer a control request; None refuses it."""
        if kind == 0x80:
            return self._standard(request, value)
        if kind in (0, 1, 2):
            if kind == 2 and request == CLEAR_FEATURE:  # how uvcvideo ends a bulk stream
                self._end_stream()
            return b""
        if kind & 0x7F != 0x21:
            return None
        if index & 255 == 1 and value >> 8 in (1, 2):
            return self._probe(request, data)
        return self._set_brightness(request, data) if (index, value) == (0x200, 0x200) else None

    def _standard(self, request: int, value: int) -> bytes | None:
        if request == GET_STATUS:
            return b"\0\0"
        if request != GET_DESCRIPTOR:
            return None
        kind, place = value >> 8, value & 255
        if kind == 3 and place < len(self._strings):
            return self._strings[place]
        made = {1: descriptors.device, 2: descriptors.configuration}.get(kind)
        return made() if made else None

    def _end_stream(self) -> None:
        self._running = False
        self._pending = queue.Queue()  # the next stream's: a frame of this one has no place there

    def _probe(self, request: int, data: bytes) -> bytes:
        if request == SET_CUR:
            _, form, size, interval = struct.unpack_from("<HBBI", data)
            self._choice = (
                min(max(form, 1), len(FORMATS)),
                min(max(size, 1), len(SIZES)),
                min(INTERVALS, key=lambda one: abs(one - interval)),
            )
            return b""
        form, size, interval = self._choice
        largest = frame_bytes(FORMATS[form - 1], *SIZES[size - 1])
        block = struct.pack(CTRL, 1, form, size, interval, 0, 0, 0, 0, 0, largest, PAYLOAD)
        return {GET_INFO: b"\3", GET_LEN: struct.pack("<H", len(block))}.get(request, block)

    def _set_brightness(self, request: int, data: bytes) -> bytes | None:
        if request == SET_CUR:
            self._brightness = struct.unpack("<h", data[:2])[0]
            return b""
        answers = {GET_MIN: 0, GET_MAX: 255, GET_RES: 1, GET_LEN: 2, GET_DEF: 128}
        answers[GET_CUR] = self._brightness
        if request == GET_INFO:
            return b"\3"
        return struct.pack("<h", answers[request]) if request in answers else None

    def _stream(self, cable: socket.socket) -> None:
        """Send frames at their rate until the cable is pulled."""
        number, due = 0, time.monotonic()
        try:
            while self._socket is cable:
                pending = self._pending
                if not self._running:
                    time.sleep(0.002)
                    due = time.monotonic()
                    continue
                form, size, interval = self._choice
                due = max(due, time.monotonic() - interval / 1e7) + interval / 1e7
                data = picture(FORMATS[form - 1], *SIZES[size - 1], number)
                time.sleep(max(0.0, due - time.monotonic()))
                if time.monotonic() >= self.freeze_until:
                    number += 1
                    self._send(cable, self._damaged(data), number % 2, pending)
        except OSError:
            return

    def _damaged(self, data: bytes) -> bytes:
        middle = len(data) // 2
        if self.corrupt:
            self.corrupt -= 1
            return data[:middle] + random.randbytes(256) + data[middle + 256 :]
        if self.short:
            self.short -= 1
            return data[:middle]
        return data

    def _send(
        self, cable: socket.socket, data: bytes, toggle: int, pending: queue.Queue[tuple[int, int]]
    ) -> None:
        """Send a frame, or what its stream takes of it."""
        place = 0
        while place < len(data) and self._pending is pending and self._socket is cable:
            try:
                sequence, length = pending.get(timeout=0.2)
            except queue.Empty:
                continue
            if sequence in self._unlinked:
                continue
            if self.error:
                self.error -= 1
                self._reply(cable, sequence, status=-EPROTO)
            else:
                chunk = data[place : place + length - 2]
                place += len(chunk)
                last = 2 if place >= len(data) else 0
                self._reply(cable, sequence, bytes((2, 0x80 | toggle | last)) + chunk)


def _receive(cable: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = cable.recv(length - len(data))
        if not more:
            raise OSError("unplugged")
        data += more
    return data


def obey(camera: UsbCamera, word: str, value: str) -> None:
    actions: dict[str, Callable[[], None]] = {"plug": camera.plug, "unplug": camera.unplug}
    if word in actions:
        actions[word]()
    elif word == "freeze":
        camera.freeze_until = time.monotonic() + float(value)
    elif word == "stall":
        camera.stalled = True
    else:
        setattr(camera, word, int(value))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--serial", default="0001")
    options = parser.parse_args()
    camera = UsbCamera(options.port, options.serial)
    for line in sys.stdin:
        word, _, value = line.strip().partition(" ")
        if word == "quit":
            break
        obey(camera, word, value)
        print("ok", flush=True)
    camera.unplug()


if __name__ == "__main__":
    main()
