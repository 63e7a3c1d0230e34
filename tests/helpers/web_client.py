"""What asks the page's server."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable


class Answer:
    """What a server said."""

    def __init__(self, port: int, path: str, **headers: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(
            "GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        response = connection.getresponse()
        self.status, self.headers = response.status, response.headers
        self.body = response.read()
        connection.close()


def wait_until(true: Callable[[], object]) -> None:
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.01)
