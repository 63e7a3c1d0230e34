"""The plots of a report, each a function of results that returns one SVG."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from roadseg.benchmarks import svg
from roadseg.benchmarks.results import REAL_TIME_FPS, Result
from roadseg.benchmarks.svg import WIDTH, Axis

STAGES = ("preprocess", "infer", "decode")
COLORS = 8
BINS = 46
RIGHT = WIDTH - 14
MOST_GROUPS = 10


def latency_histograms(found: Sequence[Result]) -> str:
    """Return a histogram of every result's samples, each on its own scale of milliseconds."""
    shown = [one for one in found if one.main.samples_ms]
    step = 124
    body = []
    for order, one in enumerate(shown):
        body.append(f'<g transform="translate(0 {order * step})">{_histogram(one, order)}</g>')
    return svg.plot(len(shown) * step, body, "Latency histogram per configuration")


def _histogram(one: Result, order: int) -> str:
    samples = sorted(one.main.samples_ms)
    low, high, beyond = _span(samples)
    axis, base = Axis(low, high, 14, RIGHT), 92
    counts = [0] * BINS
    for value in samples:
        counts[min(BINS - 1, max(0, int((value - low) / (high - low) * BINS)))] += 1
    width = (RIGHT - 14) / BINS
    parts = [svg.text(14, 14, one.label, "label"), svg.bottom_axis(axis, base, 24, "ms")]
    for place, count in enumerate(counts):
        tall = count / max(counts) * (base - 42)
        edge = low + (high - low) * place / BINS
        title = f"{edge:.2f} to {edge + (high - low) / BINS:.2f} ms: {count} of {len(samples)}"
        bar = (14 + place * width + 0.5, base - tall, width - 1, tall)
        parts.append(svg.rect(*bar, f"c{order % COLORS}", title, 1) if count else "")
    parts += _percentile_marks(one, axis, base)
    if beyond:
        parts.append(svg.text(RIGHT, 14, f"{beyond} beyond {high:.0f} ms →", "tick", "end"))
    return "".join(parts)


def _span(samples: Sequence[float]) -> tuple[float, float, int]:
    """Return low, high and how many lie beyond: a few stragglers must not flatten the rest."""
    middle = samples[len(samples) // 2]
    low, limit = samples[0], middle + 6 * (middle - samples[0]) + 0.05 * middle
    high = min(samples[-1], max(limit, samples[int(len(samples) * 0.95) - 1]))
    pad = max((high - low) * 0.04, middle * 0.01, 1e-3)
    return max(0.0, low - pad), high + pad, sum(value > high + pad for value in samples)


def _percentile_marks(one: Result, axis: Axis, base: float) -> list[str]:
    parts, taken = [], -math.inf
    for name in ("p50", "p90", "p99"):
        value = one.main.latency_ms.get(name)
        if value is None or value > axis.high:
            continue
        x = axis(value)
        parts.append(svg.line(x, 34, x, base, "mark"))
        if x - taken > 24:
            parts.append(svg.text(x, 31, name, "tick", "middle"))
            taken = x
    return parts


def stage_bars(found: Sequence[Result]) -> str:
    """Return stacked bars of the stages' medians, with the budget of 30 frames a second."""
    shown = [one for one in found if one.main.stages_ms]
    budget = 1000 / REAL_TIME_FPS
    longest = max(max(one.p50 or 0, sum(one.main.stages_ms.values())) for one in shown)
    axis = Axis(0, max(longest, budget if longest > budget / 3 else 0) * 1.12, 14, RIGHT)
    base = 30 + len(shown) * 40
    body = [_legend(STAGES, "s"), svg.bottom_axis(axis, base, 24, "ms")]
    for order, one in enumerate(shown):
        top = 30 + order * 40
        body.append(svg.text(14, top + 11, one.label, "label"))
        body += _stack(one, axis, top + 16)
    if budget <= axis.high:
        body.append(svg.line(axis(budget), 24, axis(budget), base, "mark"))
        body.append(svg.text(axis(budget), 20, "30 FPS", "tick", "middle"))
    return svg.plot(base + 22, body, "Median time of each stage per configuration")


def _stack(one: Result, axis: Axis, top: float) -> list[str]:
    parts, done = [], 0.0
    for number, stage in enumerate(STAGES):
        spent = one.main.stages_ms.get(stage, 0.0)
        left, right = axis(done), axis(done + spent)
        parts.append(svg.rect(left, top, right - left, 16, f"s{number}", f"{stage} {spent:.2f} ms"))
        done += spent
    words = f"{one.p50 if one.p50 else done:.1f} ms"
    parts.append(svg.text(axis(done) + 5, top + 12, words, "value"))
    return parts


def _legend(names: Sequence[str], style: str) -> str:
    parts, x = [], 14.0
    for number, name in enumerate(names):
        parts.append(svg.rect(x, 4, 10, 10, f"{style}{number}", radius=2))
        parts.append(svg.text(x + 14, 13, name, "tick"))
        x += 26 + 6.2 * len(name)
    return "".join(parts)


def class_bars(found: Sequence[Result]) -> str:
    """Return bars of every class's IoU, one bar per result."""
    shown = [one for one in found if one.accuracy and one.accuracy.iou]
    names = list(dict.fromkeys(name for one in shown for name in _iou(one)))
    return _bars(shown, names, _iou, "IoU of each class")


def group_bars(found: Sequence[Result]) -> str:
    """Return bars of the groups' mIoU, the worst first, one bar per result."""
    shown = [one for one in found if one.accuracy and one.accuracy.groups]
    first = _groups(shown[0])
    names = sorted(first, key=lambda name: first[name])[:MOST_GROUPS]
    return _bars(shown, names, _groups, "mIoU of each group")


def _iou(one: Result) -> dict[str, float]:
    return one.accuracy.iou if one.accuracy else {}


def _groups(one: Result) -> dict[str, float]:
    return one.accuracy.groups if one.accuracy else {}


def _bars(
    shown: Sequence[Result],
    names: Sequence[str],
    values: Callable[[Result], dict[str, float]],
    description: str,
) -> str:
    """Return horizontal bars from 0 to 100 %, grouped by name."""
    left = 22 + 6.4 * max(4, *(len(name[:18]) for name in names))
    thick = 13 if len(shown) == 1 else 9
    step = thick * len(shown) + 9
    top = 8 if len(shown) == 1 else 14 + 16 * len(shown)
    base = top + step * len(names)
    axis = Axis(0, 100, left, RIGHT - 32)
    body = [svg.bottom_axis(axis, base, top, "%")]
    for order, one in enumerate(shown if len(shown) > 1 else ()):
        body.append(svg.rect(14, 4 + order * 16, 10, 10, f"c{order % COLORS}", radius=2))
        body.append(svg.text(28, 13 + order * 16, one.label, "tick"))
    for place, name in enumerate(names):
        y = top + place * step + 4
        middle = y + thick * len(shown) / 2 + 4
        body.append(svg.text(left - 8, middle, name[:18], "label", "end"))
        for order, one in enumerate(shown):
            body += _bar(axis, y + order * thick, thick, values(one).get(name), one.label, order)
    return svg.plot(base + 22, body, description)


def _bar(
    axis: Axis, y: float, thick: float, share: float | None, label: str, order: int
) -> list[str]:
    if share is None:
        return [svg.text(axis.start + 4, y + thick - 1.5, "does not occur", "tick")]
    x, percent = axis(share * 100), f"{share * 100:.1f}"
    title = f"{label}: {percent} %"
    return [
        svg.rect(axis.start, y, x - axis.start, thick - 1, f"c{order % COLORS}", title, 1),
        svg.text(x + 4, y + thick - 2, percent, "small"),
    ]


def accuracy_against_speed(found: Sequence[Result]) -> str:
    """Return dots of mIoU over FPS, joined where no other is both faster and more accurate."""
    shown = [one for one in found if one.miou is not None and one.main.fps]
    points = [(float(one.main.fps or 0), float(one.miou or 0)) for one in shown]
    speeds, scores = zip(*points, strict=True)
    x = Axis(0, max(*speeds, REAL_TIME_FPS) * 1.1, 46, RIGHT)
    pad = max(1.0, (max(scores) - min(scores)) * 0.2)
    y = Axis(max(0, min(scores) - pad), min(100, max(scores) + pad), 262, 22)
    body = [svg.bottom_axis(x, 262, 22, "FPS"), *_left_axis(y)]
    body.append(svg.line(x(REAL_TIME_FPS), 22, x(REAL_TIME_FPS), 262, "mark"))
    body.append(svg.text(x(REAL_TIME_FPS), 16, "30 FPS", "tick", "middle"))
    front = [(x(speed), y(score)) for speed, score in _pareto(points)]
    body.append(svg.path(front, "front"))
    places = [(x(speed), y(score)) for speed, score in points]
    body += _named_dots(shown, places)
    return svg.plot(286, body, "Accuracy against speed")


def _left_axis(axis: Axis) -> list[str]:
    parts = [svg.text(8, 14, "% mIoU", "tick")]
    for tick in axis.ticks(5):
        parts.append(svg.line(46, axis(tick), RIGHT, axis(tick)))
        parts.append(svg.text(40, axis(tick) + 4, svg.number(tick), "tick", "end"))
    return parts


def _pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other beats in both, by speed."""
    best, front = -math.inf, []
    for speed, score in sorted(points, reverse=True):
        if score > best:
            front.append((speed, score))
            best = score
    return front[::-1]


def _named_dots(shown: Sequence[Result], places: Sequence[tuple[float, float]]) -> list[str]:
    """Draw dots and their names, a name moved down where it would lie on another."""
    parts: list[str] = []
    taken: list[tuple[float, float]] = []
    order = sorted(range(len(shown)), key=lambda number: places[number][1])
    for number in order:
        (x, y), one = places[number], shown[number]
        title = f"{one.label}: {one.main.fps:.1f} FPS, {one.miou:.2f} % mIoU"
        parts.append(svg.circle(x, y, 5.5, f"c{number % COLORS} dot", title))
        right = x < WIDTH * 0.55
        down = y + 4
        while any(abs(down - other) < 13 and abs(x - at) < 220 for at, other in taken):
            down += 13
        taken.append((x, down))
        parts.append(svg.text(x + (9 if right else -9), down, one.label, "label halo",
                              "start" if right else "end"))
    return parts


def memory_over_frames(found: Sequence[Result]) -> str:
    """Return resident memory over the frames of each soak."""
    shown = [one for one in found if one.soak]
    series = [one.soak.soak["rss_mb"] for one in shown if one.soak]
    every = list(itertools.chain.from_iterable(series))
    highest = max(rss for _, rss in every)
    top = 14 + 16 * len(shown)
    x = Axis(0, max(frame for frame, _ in every), 46, RIGHT)
    y = Axis(0, highest * 1.15, 190 + top, top)
    body = [svg.bottom_axis(x, 190 + top, top, "frames", 4)]
    for tick in y.ticks(4):
        body.append(svg.line(46, y(tick), RIGHT, y(tick)))
        body.append(svg.text(40, y(tick) + 4, svg.number(tick), "tick", "end"))
    body.append(svg.text(8, top - 4, "MB", "tick"))
    for order, (one, samples) in enumerate(zip(shown, series, strict=True)):
        body.append(svg.rect(46, 4 + order * 16, 10, 10, f"c{order % COLORS}", radius=2))
        body.append(svg.text(60, 13 + order * 16, one.label, "tick"))
        places = [(x(frame), y(rss)) for frame, rss in samples]
        body.append(svg.path(places, f"stroke{order % COLORS}"))
    return svg.plot(214 + top, body, "Resident memory over frames")
