"""Handler: what the page's server answers, and to whom."""

from __future__ import annotations

import hmac
import json
import math
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from roadseg.runtime.web.address import is_loopback
from roadseg.runtime.web.metrics import metrics

if TYPE_CHECKING:
    from roadseg.runtime.web.server import WebServer

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
IDLE_S = 10.0  # that a connection may take to say a request, or take nothing
WAIT_S = 2.0  # for the next picture
HEALTHY_S = 5.0  # the longest time without a mask
SAFE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: WebServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Answer the next request, which has to be there in time."""
        self.server.expect(self.connection, IDLE_S)
        super().handle_one_request()

    def parse_request(self) -> bool:
        """Read the header; the answer may then take its time."""
        try:
            return super().parse_request()
        finally:
            self.server.expect(self.connection, math.inf)

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
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "as many viewers are here as fit")
            return
        picture = self.server.live.next(WAIT_S)
        if picture is None:
            self._send(HTTPStatus.NO_CONTENT, "", b"")
            return
        told = {
            "X-Mask-At": str(picture.mask_at),
            "X-Findings-At": str(picture.findings_at),
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
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        except ValueError:  # half an IPv6 address
            host = ""
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
