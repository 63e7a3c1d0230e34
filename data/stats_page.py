"""The figures of a data set as one HTML page."""

from __future__ import annotations

from html import escape

from roadseg.data.stats import Statistics, images_lines, leak_lines
from roadseg.runtime import svg
from roadseg.runtime.page import header, html_page, section

THICK, GAP = 9, 9  # of bars, and between classes


def stats_page(stats: Statistics) -> str:
    """Return the page: class shares as bars, images and drives, what splits share."""
    names = f"{len(stats.dataset.classes)} classes, {len(stats.dataset.samples)} images"
    parts = [
        header(f"roadseg data: {stats.dataset.name}", names),
        section("Share of the labelled pixels", share_bars(stats), "narrow"),
        section("Images", _list(images_lines(stats))),
        section("What splits have in common", _list(leak_lines(stats))),
    ]
    return html_page(f"roadseg data: {stats.dataset.name}", *parts)


def share_bars(stats: Statistics) -> str:
    """Return an SVG picture of each class's share, a bar for each split."""
    parts = list(stats.shares)
    classes = stats.dataset.classes
    left = 24 + 7.3 * max(4, *(len(info.name[:16]) for info in classes))
    body, top = _legend(parts)
    step = THICK * len(parts) + GAP
    highest = max(float(share.max()) for share in stats.shares.values()) * 100
    axis = svg.Axis(0, max(highest, 1.0), left, svg.WIDTH - 42)
    body.append(svg.bottom_axis(axis, top + step * len(classes), top, "%"))
    for place, info in enumerate(classes):
        y = top + place * step + 4
        middle = y + THICK * len(parts) / 2 + 4
        body.append(svg.text(left - 8, middle, info.name[:16], "label", "end"))
        for order, part in enumerate(parts):
            percent = float(stats.shares[part][place]) * 100
            x, row = axis(percent), y + order * THICK
            title = f"{info.name}, {part}: {percent:.2f} %"
            body.append(svg.rect(left, row, x - left, THICK - 1, f"c{order}", title, 1))
            body.append(svg.text(x + 4, row + THICK - 1.5, f"{percent:.2f}", "small"))
    return svg.plot(top + step * len(classes) + 22, body, "share of the pixels by class and split")


def _legend(parts: list[str]) -> tuple[list[str], float]:
    """Return a line for each split and the place below them; a set that is not split needs none."""
    if len(parts) == 1:
        return [], 8.0
    body = []
    for place, part in enumerate(parts):
        body.append(svg.rect(14, 4 + place * 16, 10, 10, f"c{place}", radius=2))
        body.append(svg.text(29, 13 + place * 16, part, "tick"))
    return body, 14.0 + 16 * len(parts)


def _list(lines: list[str]) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in lines)
