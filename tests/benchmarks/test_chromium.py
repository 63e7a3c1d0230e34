"""The report in a real browser, light and dark, wide and narrow."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from roadseg.benchmarks.html import html_report
from roadseg.benchmarks.rows import Row

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
]

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


def browse(page: Path, tmp_path: Path, width: int, dark: bool) -> tuple[str, str]:
    """Load a page; return its final title and what the browser logged."""
    assert CHROMIUM
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
        *(f"--window-size={width},900", f"--user-data-dir={tmp_path / 'profile'}"),
        *("--disable-background-networking", "--enable-logging=stderr", "--log-level=0"),
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title
    return title[1], done.stderr


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (500, True)])
def test_the_page_in_a_browser(rows: list[Row], tmp_path: Path, width: int, dark: bool) -> None:
    page = tmp_path / "report.html"
    page.write_text(html_report(rows).replace("<head>", f"<head>{PROBE}", 1))
    title, log = browse(page, tmp_path, width, dark)
    color = "rgb(15, 19, 24)" if dark else "rgb(245, 246, 248)"
    wanted = f'"errors":[],"wide":0,"flat":0,"cut":[],"plots":6,"page":"{color}"'
    assert title.replace("&quot;", '"') == "{" + wanted + "}"
    assert not re.search(r"CONSOLE.*(error|refused|failed)", log, re.IGNORECASE)
