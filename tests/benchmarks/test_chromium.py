"""The report in a real browser, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roadseg.benchmarks.html import html_report
from roadseg.benchmarks.rows import Row


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (500, True)])
def test_the_page_in_a_browser(
    rows: list[Row], tmp_path: Path, look: Callable[..., dict[str, Any]], width: int, dark: bool
) -> None:
    assert look(html_report(rows), tmp_path, width, dark) == {
        "errors": [],
        "wide": 0,
        "flat": 0,
        "cut": [],
        "plots": 6,
        "page": "rgb(15, 19, 24)" if dark else "rgb(245, 246, 248)",
    }
