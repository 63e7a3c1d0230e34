"""The plots of a report, each a function of results that returns one SVG."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from roadseg.benchmarks.results import REAL_TIME_FPS, Result
from roadseg.benchmarks.rows import STAGES
from roadseg.runtime import svg
from roadseg.runtime.svg import WIDTH, Axis

AFTER = "after the network"  # all other stages together
COLORS = 8
BINS = 46
RIGHT = WIDTH - 14
MOST_GROUPS = 10


def latency_histograms(found: Sequence[Result]) -> str:
    """Return a histogram of every result's samples, each on its own scale of milliseconds."""
    shown = [one for one in found if one.main.samples_ms]
    step = 124
    body = [
        f'<g transform="translate(0 {place * step})">{_histogram(one)}</g>'
        for place, one in enumerate(shown)
    ]
    return svg.plot(len(shown) * step, body, "Latency histogram per configuration")


def _histogram(one: Result) -> str:
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
        parts.append(svg.rect(*bar, _color(one), title, 1) if count else "")
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
    body = [_stage_legend(shown), svg.bottom_axis(axis, base, 24, "ms")]
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
    for number, (stage, spent) in enumerate(_stages(one).items()):
        left, right = axis(done), axis(done + spent)
        parts.append(svg.rect(left, top, right - left, 16, f"s{number}", f"{stage} {spent:.2f} ms"))
        done += spent
    words = f"{one.p50 if one.p50 else done:.1f} ms"
    parts.append(svg.text(axis(done) + 5, top + 12, words, "value"))
    return parts


def _stages(one: Result) -> dict[str, float]:
    spent = {name: one.main.stages_ms.get(name, 0.0) for name in STAGES}
    after = sum(one.main.stages_ms.values()) - sum(spent.values())
    return {**spent, AFTER: after} if after > 0 else spent


def _stage_legend(shown: Sequence[Result]) -> str:
    parts, x = [], 14.0
    after = [AFTER] if any(AFTER in _stages(one) for one in shown) else []
    for number, name in enumerate([*STAGES, *after]):
        parts.append(svg.rect(x, 4, 10, 10, f"s{number}", radius=2))
        parts.append(svg.text(x + 14, 13, name, "tick"))
        x += 26 + 6.2 * len(name)
    return "".join(parts)


def _color(one: Result) -> str:
    return f"c{one.order % COLORS}"


def _legend(shown: Sequence[Result], left: float = 14) -> tuple[list[str], float]:
    """Return a line per result and the place below them; a single result needs none."""
    if len(shown) == 1:
        return [], 8.0
    parts = []
    for place, one in enumerate(shown):
        parts.append(svg.rect(left, 4 + place * 16, 10, 10, _color(one), radius=2))
        parts.append(svg.text(left + 15, 13 + place * 16, one.label, "tick"))
    return parts, 14.0 + 16 * len(shown)


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


def condition_bars(found: Sequence[Result]) -> str:
    """Return bars of the conditions' mIoU, one bar per result."""
    shown = [one for one in found if conditions(one)]
    names = list(dict.fromkeys(name for one in shown for name in conditions(one)))
    return _bars(shown, names, conditions, "mIoU of each condition")


def conditions(one: Result) -> dict[str, float]:
    """Return the mIoU (0 to 1) by condition."""
    parts = one.accuracy.parts if one.accuracy else []
    return {
        str(part.get("name")): float(part.get("miou", 0.0))
        for part in parts
        if part.get("by") == "condition"
    }


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
    left = 24 + 7.3 * max(4, *(len(name[:16]) for name in names))
    thick = 13 if len(shown) == 1 else 9
    step = thick * len(shown) + 9
    body, top = _legend(shown)
    base = top + step * len(names)
    axis = Axis(0, 100, left, RIGHT - 32)
    body.append(svg.bottom_axis(axis, base, top, "%"))
    for place, name in enumerate(names):
        y = top + place * step + 4
        middle = y + thick * len(shown) / 2 + 4
        body.append(svg.text(left - 8, middle, name[:16], "label", "end"))
        for order, one in enumerate(shown):
            body += _bar(axis, y + order * thick, thick, values(one).get(name), one)
    return svg.plot(base + 22, body, description)


def _bar(axis: Axis, y: float, thick: float, share: float | None, one: Result) -> list[str]:
    if share is None:
        return [svg.text(axis.start + 4, y + thick - 1.5, "does not occur", "small")]
    x, percent = axis(share * 100), f"{share * 100:.1f}"
    title = f"{one.label}: {percent} %"
    return [
        svg.rect(axis.start, y, x - axis.start, thick - 1, _color(one), title, 1),
        svg.text(x + 4, y + thick - 2, percent, "small"),
    ]


def accuracy_against_speed(found: Sequence[Result]) -> str:
    """Return dots of mIoU over FPS, joined where no other is both faster and more accurate."""
    shown = [one for one in found if one.miou is not None and one.main.fps]
    points = [(float(one.main.fps or 0), float(one.miou or 0)) for one in shown]
    speeds, scores = zip(*points, strict=True)
    body, legend = _legend(shown)
    top, base = legend + 18, legend + 240
    x = Axis(0, max(*speeds, REAL_TIME_FPS) * 1.1, 46, RIGHT)
    pad = max(1.0, (max(scores) - min(scores)) * 0.2)
    y = Axis(max(0, min(scores) - pad), min(100, max(scores) + pad), base, top)
    body += [svg.bottom_axis(x, base, top, "FPS"), _left_axis(y, "% mIoU")]
    body.append(svg.line(x(REAL_TIME_FPS), top, x(REAL_TIME_FPS), base, "mark"))
    body.append(svg.text(x(REAL_TIME_FPS), top - 5, "30 FPS", "tick", "middle"))
    body.append(svg.path([(x(speed), y(score)) for speed, score in _pareto(points)], "front"))
    for one, (speed, score) in zip(shown, points, strict=True):
        title = f"{one.label}: {speed:.1f} FPS, {score:.2f} % mIoU"
        body.append(svg.circle(x(speed), y(score), 6, f"{_color(one)} dot", title))
    return svg.plot(base + 22, body, "Accuracy against speed")


def _left_axis(axis: Axis, unit: str) -> str:
    parts = [svg.text(8, axis.end - 5, unit, "tick")]
    for tick in axis.ticks(5):
        parts.append(svg.line(46, axis(tick), RIGHT, axis(tick)))
        parts.append(svg.text(40, axis(tick) + 4, svg.number(tick), "tick", "end"))
    return "".join(parts)


def _pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other beats in both, by speed."""
    best, front = -math.inf, []
    for speed, score in sorted(points, reverse=True):
        if score > best:
            front.append((speed, score))
            best = score
    return front[::-1]


def memory_over_frames(found: Sequence[Result]) -> str:
    """Return resident memory over the frames of each soak."""
    shown = [one for one in found if one.soak]
    series = [one.soak.soak["rss_mb"] for one in shown if one.soak]
    every = list(itertools.chain.from_iterable(series))
    body, legend = _legend(shown)
    top, base = legend + 18, legend + 200
    x = Axis(0, max(frame for frame, _ in every), 46, RIGHT)
    y = Axis(0, max(rss for _, rss in every) * 1.15, base, top)
    body += [svg.bottom_axis(x, base, top, "frames", 4), _left_axis(y, "MB")]
    for one, samples in zip(shown, series, strict=True):
        places = [(x(frame), y(rss)) for frame, rss in samples]
        body.append(svg.path(places, f"stroke{one.order % COLORS}"))
    return svg.plot(base + 22, body, "Resident memory over frames")
