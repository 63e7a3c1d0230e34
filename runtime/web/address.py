"""Address: where the page is served, and who may look at it."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
from dataclasses import dataclass

from roadseg.runtime.errors import UsageError

TOKEN_VARIABLE = "ROADSEG_TOKEN"
TOKEN_LENGTH = 16  # characters at least


@dataclass(frozen=True)
class Address:
    """A host and a port; the token is "" on loopback, where none is needed."""

    host: str
    port: int
    token: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read "8080", "0.0.0.0:8080" or "[::]:8080"; loopback without a host.

        Elsewhere than on loopback the token is random, or the one in the environment variable
        ROADSEG_TOKEN. Raises UsageError.
        """
        match = re.fullmatch(r"(?:(\[[0-9a-fA-F:.]+\]|[\w.-]+):)?(\d{1,5})", text.strip())
        if not match or int(match[2]) > 65535:
            raise UsageError(
                f"--serve {text}: give PORT or HOST:PORT, such as 8080 or 0.0.0.0:8080"
            )
        host = (match[1] or "127.0.0.1").strip("[]")
        return cls(host, int(match[2]), "" if is_loopback(host) else _token())

    @property
    def is_ipv6(self) -> bool:
        """Whether the host is an IPv6 address."""
        return ":" in self.host

    def url(self, port: int) -> str:
        """Return what to type into a browser; `port` is the one that was bound."""
        host = _own_address() if self.host in ("0.0.0.0", "::") else self.host
        name = f"[{host}]" if ":" in host else host
        return f"http://{name}:{port}/" + (f"?token={self.token}" if self.token else "")


def is_loopback(host: str) -> bool:
    """Whether a host, without a port, is this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _token() -> str:
    given = os.environ.get(TOKEN_VARIABLE)
    if given is None:
        return secrets.token_urlsafe(TOKEN_LENGTH)
    if not re.fullmatch(rf"[\w.~-]{{{TOKEN_LENGTH},}}", given, re.ASCII):
        raise UsageError(
            f"{TOKEN_VARIABLE} is no token: {TOKEN_LENGTH} or more letters, digits, -, _, . and ~"
        )
    return given


def _own_address() -> str:
    """Return this machine's address as others see it; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of the block for documentation
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
