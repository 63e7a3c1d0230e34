"""WebServer: answers browsers, Prometheus and health checks, in threads of its own."""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import socketserver
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from roadseg.runtime.errors import UsageError
from roadseg.runtime.monitor import Monitor
from roadseg.runtime.page import CSS
from roadseg.runtime.web.address import Address
from roadseg.runtime.web.handler import IDLE_S, TYPES, Handler
from roadseg.runtime.web.live_picture import LivePicture

FOLDER = Path(__file__).parent
VIEWERS = 8  # at the same time
CONNECTIONS = 64  # at the same time; a page has two or three
GONE_S = 5.0  # a viewer that did not ask for so long is gone
STATUS_S = 0.25  # that one status serves all viewers


class WebServer(ThreadingHTTPServer):
    """Serves a run's page; binds at once, answers from `start` to `close`."""

    allow_reuse_port = False  # a port in use is an error
    request_queue_size = CONNECTIONS  # that wait to be taken: with http.server's 5 they wait long

    def __init__(self, address: Address, monitor: Monitor, live: LivePicture, alpha: float) -> None:
        self.address, self.monitor, self.live, self.alpha = address, monitor, live, alpha
        self.address_family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
        self.files = {f"/{p.name}": p.read_bytes() for p in FOLDER.iterdir() if p.suffix in TYPES}
        self.files["/page.css"] = CSS.encode()
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, float] = {}  # until when a request must be there
        self._seen: dict[str, float] = {}
        self._status = (0.0, b"")
        try:
            super().__init__((address.host, address.port), Handler)
        except OSError as error:
            raise _told(address, error) from None

    def server_bind(self) -> None:
        """Bind without http.server's look-up of the host's name, which may hang."""
        socketserver.TCPServer.server_bind(self)

    @property
    def url(self) -> str:
        """What to type into a browser."""
        return self.address.url(self.server_address[1])

    def start(self) -> None:
        """Answer, in a thread."""
        threading.Thread(target=self.serve_forever, args=(0.1,), name="web", daemon=True).start()

    def close(self) -> None:
        """Answer no more, and end what is open."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                _end(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a connection in a thread; one too many is closed at once."""
        with self._lock:
            full = len(self._connections) >= CONNECTIONS
            if not full:
                self._connections[request] = time.monotonic() + IDLE_S
        if full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.pop(request, None)

    def expect(self, connection: socket.socket, within_s: float) -> None:
        """Give a connection so long to say its next request."""
        with self._lock:
            self._connections[connection] = time.monotonic() + within_s

    def service_actions(self) -> None:
        """End connections that say a request too slowly, byte by byte."""
        now = time.monotonic()
        with self._lock:
            for connection, until in self._connections.items():
                if until < now:
                    _end(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of viewers that went away in the middle of a picture."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    @property
    def viewers(self) -> int:
        """How many look at the picture."""
        with self._lock:
            self._forget()
            return len(self._seen)

    def admit(self, viewer: str) -> bool:
        """Return whether a viewer may have a picture; false for one too many."""
        with self._lock:
            self._forget()
            if viewer not in self._seen and len(self._seen) >= VIEWERS:
                return False
            self._seen[viewer] = time.monotonic()
            return True

    def _forget(self) -> None:
        gone = time.monotonic() - GONE_S
        self._seen = {viewer: seen for viewer, seen in self._seen.items() if seen > gone}

    def status(self) -> bytes:
        """Return the run's status as JSON, made anew when it is STATUS_S old."""
        with self._lock:
            made, text = self._status
            if time.monotonic() - made > STATUS_S or not text:
                text = json.dumps(self.monitor.status()).encode()
                self._status = (time.monotonic(), text)
            return text


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _told(address: Address, error: OSError) -> UsageError:
    where = f"--serve {address.host}:{address.port}"
    words = {
        errno.EADDRINUSE: f"port {address.port} is in use: choose another",
        errno.EACCES: f"port {address.port} needs root: choose one above 1023",
        errno.EADDRNOTAVAIL: f"{address.host} is not an address of this machine",
    }
    return UsageError(f"{where}: {words.get(error.errno or 0, error.strerror or str(error))}")
