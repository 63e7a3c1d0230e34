"""The few SVG shapes that the plots are made of; colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 420  # of every plot, in its own units; about the width of a phone, so text stays readable


@dataclass(frozen=True)
class Axis:
    """A linear map of values from low..high to places start..end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Return about `count` round values from low to high."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        raw = span / count
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * unit for unit in (1, 2, 5, 10) if power * unit >= raw)
        first = math.ceil(self.low / step)
        last = math.floor(self.high / step * (1 + 1e-9))
        return [number * step for number in range(first, last + 1)]


def number(value: float) -> str:
    """Return a tick's value without needless zeros."""
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    """Return a line of text; anchor is start, middle or end."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def rect(
    x: float, y: float, width: float, height: float, style: str, title: str = "", radius: float = 0
) -> str:
    """Return a rectangle; its title is shown when it is pointed at."""
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(width, 0):.2f}" height="{height:.2f}" '
        f'rx="{radius}" class="{style}">{_title(title)}</rect>'
    )


def line(x1: float, y1: float, x2: float, y2: float, style: str = "grid") -> str:
    """Return a straight line."""
    return f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" class="{style}"/>'


def path(points: Sequence[tuple[float, float]], style: str) -> str:
    """Return a line through points."""
    places = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return f'<polyline points="{places}" class="{style}"/>'


def circle(x: float, y: float, radius: float, style: str, title: str = "") -> str:
    """Return a dot."""
    return (
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius}" class="{style}">{_title(title)}</circle>'
    )


def bottom_axis(axis: Axis, y: float, top: float, unit: str = "", count: int = 5) -> str:
    """Return grid lines from `top` to `y` with their values below; the last has the unit."""
    ticks = axis.ticks(count)
    parts = []
    for tick in ticks:
        words = number(tick) + (f" {unit}" if unit and tick == ticks[-1] else "")
        parts.append(line(axis(tick), top, axis(tick), y))
        crowded = axis(tick) + 3.5 * len(words) > WIDTH
        x, anchor = (WIDTH - 2, "end") if crowded else (axis(tick), "middle")
        parts.append(text(x, y + 14, words, "tick", anchor))
    return "".join(parts)


def plot(height: float, body: Sequence[str], description: str) -> str:
    """Return the whole picture, WIDTH x height; the description is for screen readers."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(description, quote=True)}">{"".join(body)}</svg>'
    )


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
