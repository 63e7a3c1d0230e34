"""Who may see the page: addresses, tokens, names of this machine; and no password in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from web_client import Answer, wait_until

from roadseg.runtime.errors import UsageError
from roadseg.runtime.web import Address
from roadseg.runtime.web.address import TOKEN_VARIABLE

TOKEN = "t0ken-of-sufficient-length"
Serve = Callable[..., Any]


def test_a_token_is_asked_for(serve: Serve) -> None:
    port = serve(TOKEN).port
    for path in ("/", "/frame", "/status.json", "/about.json", "/metrics", "/live.js", "/nothing"):
        for asked in ("", "?token=wrong"):
            answer = Answer(port, path + asked)
            assert answer.status == 401
            assert b"a token is needed: open the address that seg-run printed" in answer.body
            assert len(answer.body.splitlines()) == 1
    assert Answer(port, "/metrics", Authorization="Bearer wrong").status == 401
    assert Answer(port, "/metrics", Cookie=f"roadseg-{port}=wrong").status == 401
    assert Answer(port, "/metrics", Authorization=f"Bearer {TOKEN}").status == 200
    assert Answer(port, f"/metrics?token={TOKEN}").status == 200
    wait_until(lambda: Answer(port, "/healthz").status == 200)  # for probes, and it tells nothing


def test_the_token_leaves_the_address_for_a_cookie(serve: Serve) -> None:
    run = serve(TOKEN)
    assert run.url == f"http://127.0.0.1:{run.port}/?token={TOKEN}"
    answer = Answer(run.port, f"/?token={TOKEN}")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly; SameSite=Strict" in cookie
    assert Answer(run.port, "/", Cookie=f"other=1; {cookie.split(';')[0]}").status == 200
    forged = Answer(run.port, "/?token=a%0d%0aX:1", Cookie=cookie.split(";")[0])
    assert "X" not in forged.headers


def test_a_foreign_name_for_this_machine_is_refused(serve: Serve) -> None:
    port = serve().port
    assert Answer(port, "/", Host="evil.example:80").status == 403
    assert Answer(port, "/", Host="[::1").status == 403
    for name in ("localhost", f"127.0.0.1:{port}", "[::1]:80"):
        assert Answer(port, "/", Host=name).status == 200


@pytest.mark.parametrize(
    ("text", "host", "port", "needs_token"),
    [
        ("8080", "127.0.0.1", 8080, False),
        ("localhost:1", "localhost", 1, False),
        ("[::1]:8080", "::1", 8080, False),
        ("127.0.0.2:80", "127.0.0.2", 80, False),
        ("0.0.0.0:8080", "0.0.0.0", 8080, True),
        ("[::]:8080", "::", 8080, True),
        ("jetson.local:8080", "jetson.local", 8080, True),
    ],
)
def test_addresses(text: str, host: str, port: int, needs_token: bool) -> None:
    address = Address.parse(text)
    assert (address.host, address.port, bool(address.token)) == (host, port, needs_token)
    assert Address.parse(text).token != address.token or not needs_token


def test_a_token_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert Address.parse("jetson.local:80").url(80) == f"http://jetson.local:80/?token={TOKEN}"
    assert Address.parse("[fd00::1]:80").url(80).startswith("http://[fd00::1]:80/?token=")
    for bad in ("short", "", "with spaces in it and long", "ünglücklich-lang-genug"):
        monkeypatch.setenv(TOKEN_VARIABLE, bad)
        with pytest.raises(UsageError, match="ROADSEG_TOKEN is no token: 16 or more"):
            Address.parse("jetson.local:80")
