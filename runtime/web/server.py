"""WebServer: answers browsers, Prometheus and health checks, in threads of its own."""

from __future__ import annotations

import contextlib
import errno
import hmac
import json
import socket
import socketserver
import threading
import time
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from roadseg.runtime.errors import UsageError
from roadseg.runtime.monitor import Monitor
from roadseg.runtime.page import CSS
from roadseg.runtime.web.address import Address, is_loopback
from roadseg.runtime.web.live_picture import LivePicture
from roadseg.runtime.web.metrics import metrics

FOLDER = Path(__file__).parent
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
VIEWERS = 8  # at the same time
CONNECTIONS = 64  # at the same time; a page has two or three
IDLE_S = 10.0  # that a connection may say or take nothing
GONE_S = 5.0  # a viewer that did not ask for so long is gone
WAIT_S = 2.0  # for the next picture
HEALTHY_S = 5.0  # the longest time without a mask
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
        self._connections: set[socket.socket] = set()
        self._seen: dict[str, float] = {}
        self._status = (0.0, b"")
        try:
            super().__init__((address.host, address.port), _Handler)
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
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a connection in a thread; one too many is closed at once."""
        with self._lock:
            full = len(self._connections) >= CONNECTIONS
            if not full:
                self._connections.add(request)
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
                self._connections.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of viewers that went away in the middle of a picture."""

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


def _told(address: Address, error: OSError) -> UsageError:
    where = f"--serve {address.host}:{address.port}"
    words = {
        errno.EADDRINUSE: f"port {address.port} is in use: choose another",
        errno.EACCES: f"port {address.port} needs root: choose one above 1023",
        errno.EADDRNOTAVAIL: f"{address.host} is not an address of this machine",
    }
    return UsageError(f"{where}: {words.get(error.errno or 0, error.strerror or str(error))}")


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: WebServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a request."""
        path, _, query = self.path.partition("?")
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        if path == "/healthz":
            self._healthz()
        elif not self._is_own_host():
            self._say(HTTPStatus.FORBIDDEN, "this page is served to its own machine only")
        elif not self._has_token(asked.get("token", "")):
            self._say(
                HTTPStatus.UNAUTHORIZED,
                "a token is needed: open the address that seg-run printed, or send the header "
                "Authorization: Bearer TOKEN",
            )
        elif "token" in asked and path == "/":
            self._move_token_to_cookie()
        else:
            self._route(path, asked)

    def _route(self, path: str, asked: dict[str, str]) -> None:
        server = self.server
        if path == "/frame":
            self._frame(asked.get("viewer", self.client_address[0]))
        elif path == "/status.json":
            self._send(HTTPStatus.OK, "application/json", server.status())
        elif path == "/about.json":
            about = {**server.monitor.about(), "alpha": server.alpha}
            self._send(HTTPStatus.OK, "application/json", json.dumps(about).encode())
        elif path == "/metrics":
            text = metrics(server.monitor, server.viewers, server.live.encoded)
            self._send(HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", text.encode())
        else:
            name = "/index.html" if path == "/" else path
            if name not in server.files:
                self._say(HTTPStatus.NOT_FOUND, f"there is no {path}")
                return
            kind = f"{TYPES[Path(name).suffix]}; charset=utf-8"
            self._send(HTTPStatus.OK, kind, server.files[name])

    def _frame(self, viewer: str) -> None:
        if not self.server.admit(viewer):
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, f"{VIEWERS} viewers are here: no more fit")
            return
        picture = self.server.live.next(WAIT_S)
        if picture is None:
            self._send(HTTPStatus.NO_CONTENT, "", b"")
            return
        told = {
            "X-Mask-At": str(picture.mask_at),
            "X-Sequence": str(picture.sequence),
            "X-Age-Ms": f"{picture.age_ms:.1f}",
        }
        self._send(HTTPStatus.OK, "application/octet-stream", picture.content, told)

    def _healthz(self) -> None:
        last = self.server.monitor.since_last_s
        state = self.server.monitor.state
        if last is not None and last < HEALTHY_S:
            self._say(HTTPStatus.OK, f"{state}: a mask {last:.1f} s ago")
            return
        words = "no mask yet" if last is None else f"no mask for {last:.0f} s"
        self._say(HTTPStatus.SERVICE_UNAVAILABLE, f"{state}: {words}")

    def _is_own_host(self) -> bool:
        """Whether the request names this machine; on loopback there is no token to rely on.

        A foreign page can make its own name point to 127.0.0.1 (DNS rebinding); the request has
        that name as its host.
        """
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        return bool(self.server.address.token) or is_loopback(host)

    def _has_token(self, asked: str) -> bool:
        token = self.server.address.token.encode()
        kind, _, bearer = self.headers.get("Authorization", "").partition(" ")
        given = [asked, self._cookie(), bearer if kind.lower() == "bearer" else ""]
        return not token or any(hmac.compare_digest(one.encode(), token) for one in given)

    @property
    def _cookie_name(self) -> str:
        return f"roadseg-{self.server.server_address[1]}"  # cookies are shared by all ports

    def _cookie(self) -> str:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(self._cookie_name)
        except CookieError:
            return ""
        return cookie.value if cookie else ""

    def _move_token_to_cookie(self) -> None:
        """Take the token out of the address, so that it is not copied with it."""
        token = self.server.address.token
        cookie = f"{self._cookie_name}={token}; HttpOnly; SameSite=Strict; Path=/"
        self._send(HTTPStatus.SEE_OTHER, "", b"", {"Set-Cookie": cookie, "Location": "/"})

    def _say(self, status: HTTPStatus, line: str) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{line}\n".encode())

    def _send(
        self, status: HTTPStatus, kind: str, body: bytes, told: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        for name, value in {**SAFE, **(told or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """Name the server and no versions."""
        return "roadseg"

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: requests come with every frame."""


SAFE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
