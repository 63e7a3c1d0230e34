"""A tab of a headless Chromium, driven through the DevTools protocol over pipes."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
WAIT_S = 40.0


class Tab:
    """Opens a page at once; `errors` are what it logged or threw."""

    def __init__(
        self, url: str, folder: Path, width: int = 1200, height: int = 900, dark: bool = False
    ) -> None:
        if not CHROMIUM:
            pytest.skip("chromium is not installed")
        self.errors: list[str] = []
        self._ids = itertools.count(1)
        self._session = ""
        reads, self._to = os.pipe()
        self._from, writes = os.pipe()
        words = f'exec "$@" 3<&{reads} 4>&{writes}'
        self._process = subprocess.Popen(
            [
                *(
                    "bash",
                    "-c",
                    words,
                    "bash",
                    CHROMIUM,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                ),
                *("--remote-debugging-pipe", "--disable-dev-shm-usage", "--hide-scrollbars"),
                *("--disable-background-networking", f"--user-data-dir={folder / 'profile'}"),
            ],
            pass_fds=(reads, writes),
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self._input = os.fdopen(self._from, "rb")
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", **screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=url)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; return its result."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._next())
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _next(self) -> bytes:
        message = bytearray()
        while (byte := self._input.read(1)) != b"\0":
            assert byte, "chromium ended"
            message += byte
        return bytes(message)

    def _note(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(told["exceptionDetails"].get("exception", told)))
        if event.get("method") == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")

    def run(self, script: str) -> Any:
        """Return what a JavaScript expression, or its promise, comes to."""
        done = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, f"{script}: {done['exceptionDetails']}"
        return done["result"].get("value")

    def wait(self, script: str) -> Any:
        """Wait until an expression is true; return what it came to."""
        give_up = time.monotonic() + WAIT_S
        while not (value := self.run(script)):
            assert time.monotonic() < give_up, f"never true: {script}; errors: {self.errors}"
            time.sleep(0.05)
        return value

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """Write a picture of the page."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def __enter__(self) -> Tab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._to)
        self._process.terminate()
        self._process.wait(20)
        self._input.close()
