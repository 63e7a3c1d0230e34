"""What systemd is to a service: a socket that hears what it tells."""

from __future__ import annotations

import socket
import threading


class Manager:
    """The end of the socket that systemd has."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self._socket.settimeout(0.05)
        self.told: list[str] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self.told.append(self._socket.recv(4096).decode())
            except TimeoutError:
                continue

    def count(self, message: str) -> int:
        return sum(one.startswith(message) for one in self.told)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._socket.close()
