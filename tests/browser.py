"""A page in a real browser: what it looks like from within."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)

# Run in the page by the test alone: says in the title what it found.
PROBE = """<script>
const errors = [];
addEventListener("error", event => errors.push(event.message || event.target.tagName), true);
addEventListener("load", () => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const flat = [...document.querySelectorAll("svg")].filter(
    picture => picture.getBoundingClientRect().height < 40 || !picture.querySelector("text"));
  const texts = [...document.querySelectorAll("svg text")];
  const cut = texts.filter(text => {
    const frame = text.ownerSVGElement.getBoundingClientRect(), own = text.getBoundingClientRect();
    return own.left < frame.left - 1 || own.right > frame.right + 1;
  }).map(text => text.textContent);
  document.title = JSON.stringify({errors, wide, flat: flat.length, cut,
    plots: document.querySelectorAll("svg").length,
    page: getComputedStyle(document.body).backgroundColor});
});
</script>"""


def look(html: str, folder: Path, width: int, dark: bool) -> dict[str, Any]:
    """Load a page; return what the probe found. Fails when the browser logs an error."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    page = folder / "page.html"
    page.write_text(html.replace("<head>", f"<head>{PROBE}", 1))
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
        *(f"--window-size={width},900", f"--user-data-dir={folder / 'profile'}"),
        *("--disable-background-networking", "--enable-logging=stderr", "--log-level=0"),
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title
    assert not re.search(r"CONSOLE.*(error|refused|failed)", done.stderr, re.IGNORECASE)
    found: dict[str, Any] = json.loads(title[1].replace("&quot;", '"'))
    return found
