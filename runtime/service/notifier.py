"""What a service tells systemd: datagrams of NAME=VALUE lines, as sd_notify(3) describes them."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends to the socket that NOTIFY_SOCKET names; without one it does nothing.

    Nothing is waited for, and no error raised: a manager that does not listen ends no run.

    watchdog_s: systemd ends the service when this long without a sign of life; None when it is
        not watched.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        name = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if name else None
        self.watchdog_s = _watchdog_s(environ)

    def ready(self) -> None:
        """It has started, or a reload has ended."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Tell what it does now, in a line that `systemctl status` shows."""
        self._send("STATUS=" + " ".join(text.split()))

    def alive(self) -> None:
        """Give a sign of life."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it. Type=notify-reload wants the time too."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It begins to end."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Close the socket; may be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                message = "\n".join(lines).encode()
                self._socket.sendto(message, socket.MSG_DONTWAIT, self._address)


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return the limit, unless it is another process's (inherited through its environment)."""
    limit, process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not limit.isdigit() or int(limit) == 0 or process not in ("", str(os.getpid())):
        return None
    return int(limit) / 1e6
