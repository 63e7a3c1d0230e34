"""The live page in a real browser: pictures arrive, toggles and the snapshot work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

pytestmark = pytest.mark.slow

TOKEN = "t0ken-of-sufficient-length"
SEQUENCE = "Number(document.querySelector('canvas')?.dataset.sequence ?? -1)"
RED = (15, 32)  # a place in the red stripe, whose class is red
STRIPES = {"red": (15, 32), "green": (47, 32), "blue": (80, 32)}
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
FRAME = {"red": (230, 20, 20), "green": (20, 230, 20), "blue": (20, 20, 230)}


def pixel(tab: Any, place: tuple[int, int]) -> list[int]:
    """Return (R, G, B) of the canvas."""
    found: list[int] = tab.run(
        "[...document.querySelector('canvas').getContext('2d')"
        f".getImageData({place[0]}, {place[1]}, 1, 1).data].slice(0, 3)"
    )
    return found


def is_near(found: list[int], wanted: tuple[int, ...], off: int = 24) -> bool:
    return all(abs(a - b) <= off for a, b in zip(found, wanted, strict=True))


def wait_for_pictures(tab: Any, more: int = 3) -> None:
    tab.wait(f"{SEQUENCE} >= 0")
    tab.wait(f"{SEQUENCE} > {tab.run(SEQUENCE) + more}")


def press(tab: Any, words: str) -> None:
    tab.run(
        f"[...document.querySelectorAll('button')].find(b => b.textContent === '{words}').click()"
    )


def set_opacity(tab: Any, percent: int) -> None:
    tab.run(f"opacity.value = {percent}; opacity.dispatchEvent(new Event('input'))")


def test_toggles_opacity_pause_and_snapshot(
    serve: Callable[..., Any], open_tab: Callable[..., Any], tmp_path: Path
) -> None:
    run = serve()
    with open_tab(run.url, tmp_path) as tab:
        wait_for_pictures(tab)
        set_opacity(tab, 100)
        wait_for_pictures(tab)
        for name, place in STRIPES.items():
            assert is_near(pixel(tab, place), COLOURS[name], 2), "the class's own colour"
        press(tab, "green")
        wait_for_pictures(tab)
        assert is_near(pixel(tab, STRIPES["green"]), FRAME["green"]), "the camera's picture"
        assert is_near(pixel(tab, STRIPES["red"]), COLOURS["red"], 2), "the others stay"
        press(tab, "none")
        wait_for_pictures(tab)
        assert is_near(pixel(tab, STRIPES["red"]), FRAME["red"])
        assert tab.run("document.querySelectorAll('#legend [aria-pressed=false]').length") == 3

        press(tab, "Pause")
        tab.run("new Promise(done => setTimeout(done, 300))")
        still = tab.run(SEQUENCE)
        press(tab, "all")  # works on the picture that stands
        red = "document.querySelector('canvas').getContext('2d').getImageData(15, 32, 1, 1).data[0]"
        tab.wait(f"{red} > 250")
        assert tab.run(SEQUENCE) == still

        tab.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        press(tab, "Snapshot")
        file = tmp_path / f"roadseg-{still}.png"
        while not file.exists():
            tab.run("new Promise(done => setTimeout(done, 50))")
        saved = cv2.imread(str(file))
        assert saved.shape == (64, 96, 3)
        assert is_near(saved[32, 47][::-1].tolist(), COLOURS["green"], 2)
        press(tab, "Go on")
        wait_for_pictures(tab)
        assert tab.errors == []


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)])
def test_numbers_and_plots_on_a_desk_and_on_a_phone(
    serve: Callable[..., Any],
    open_tab: Callable[..., Any],
    tmp_path: Path,
    width: int,
    dark: bool,
) -> None:
    run = serve()
    with open_tab(run.url, tmp_path, width, 800, dark) as tab:
        wait_for_pictures(tab)
        tab.wait("document.querySelector('#rate .cool') && Number(fps.textContent) > 0")
        tab.wait("state.textContent === 'live'")
        assert tab.run("['hot', 'cool'].every(name => age.querySelector('.' + name))")
        told = tab.run("[...ledger.rows].map(r => Number(r.cells[1].textContent.replace(',', '')))")
        assert told[0] == sum(told[1:]) > 0
        assert tab.run("sinks.rows[1].cells[0].textContent") == "web"
        assert "rtsp://***@camera/1" in tab.run("about.textContent")
        assert tab.run("document.documentElement.scrollWidth") == width
        small = "[...document.querySelectorAll('button')].filter(b => b.offsetHeight < 32).length"
        assert tab.run(small) == 0, "fingers need room"
        page = "rgb(15, 19, 24)" if dark else "rgb(245, 246, 248)"
        assert tab.run("getComputedStyle(document.body).backgroundColor") == page

        run.source.state = "stalled"
        tab.wait("state.textContent.startsWith('stalled') && state.classList.contains('down')")
        assert tab.errors == []
        run.end_source()
        tab.wait("document.querySelector('canvas').classList.contains('old')")
        run.close()
        tab.wait("notice.textContent === 'seg-run does not answer' && !notice.hidden")
        tab.wait("state.textContent === 'not connected'")


@pytest.mark.parametrize("width", [1200, 390])
def test_what_post_processing_found(
    serve: Callable[..., Any], open_tab: Callable[..., Any], tmp_path: Path, width: int
) -> None:
    run = serve(post=["polygon", "free"])
    with open_tab(run.url, tmp_path, width, 800) as tab:
        wait_for_pictures(tab)
        set_opacity(tab, 0)
        wait_for_pictures(tab)
        assert is_near(pixel(tab, (0, 32)), (255, 255, 255), 60), "outline of red, at its left"
        assert is_near(pixel(tab, (15, 32)), FRAME["red"]), "nothing inside it"
        assert is_near(pixel(tab, (48, 63)), (255, 220, 60), 60), "the bar"
        assert tab.run("free.textContent") == "0 px free, then green"
        place = tab.run("JSON.stringify(free.getBoundingClientRect())")
        assert '"width":0' not in place
        assert tab.run("document.documentElement.scrollWidth") == width
        assert tab.errors == []


def test_without_post_processing_nothing_is_told(
    serve: Callable[..., Any], open_tab: Callable[..., Any], tmp_path: Path
) -> None:
    with open_tab(serve().url, tmp_path) as tab:
        wait_for_pictures(tab)
        assert tab.run("free.hidden && free.offsetHeight === 0")


def test_with_the_token_the_page_works_and_hides_it(
    serve: Callable[..., Any], open_tab: Callable[..., Any], tmp_path: Path
) -> None:
    run = serve(TOKEN)
    with open_tab(run.url, tmp_path) as tab:
        wait_for_pictures(tab)
        assert TOKEN not in tab.run("location.href + document.cookie")
        assert tab.errors == []
        tab.send("Network.clearBrowserCookies")
        tab.wait("notice.textContent.startsWith('a token is needed')")
