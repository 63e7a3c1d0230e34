"""Results: rows of one configuration put side by side, its name, and the verdict on all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from roadseg.benchmarks.rows import Row, of_kind

REAL_TIME_FPS = 30.0


@dataclass(frozen=True)
class Result:
    """What is known of one configuration.

    label: its name in tables and plots, as short as tells it from the others.
    order: its place among the results, which decides its colour in plots.
    main: the row that timed it (latency or pipeline), else its only row.
    accuracy, soak: the rows of the same network, engine and size, if there are.
    """

    label: str
    order: int
    main: Row
    accuracy: Row | None
    soak: Row | None

    @property
    def p50(self) -> float | None:
        """Median latency in milliseconds."""
        return self.main.latency_ms.get("p50")

    @property
    def miou(self) -> float | None:
        """The mIoU in percent."""
        value = self.accuracy.miou if self.accuracy else None
        return None if value is None else value * 100


def identity(row: Row) -> tuple[Hashable, ...]:
    """Return what makes two rows the same measurement, whatever the machine."""
    names = ("threads", "frame_size", "rate", "source", "tta", "post", "pixel_format")
    how = tuple(str(row.options.get(name) or "") for name in names)
    return (row.kind, *row.key, *how, *(scored_on(row) if row.kind == "accuracy" else ()))


def results(rows: Sequence[Row]) -> list[Result]:
    """Group rows into results, in the rows' order; of repeated measurements the last counts.

    A network that was scored on more than one thing (two splits) has a result for each.
    """
    scored = {(_network(row), scored_on(row)): row for row in of_kind(rows, "accuracy")}
    of_network = Counter(network for network, _ in scored)
    accuracy = {key: row for (key, _), row in scored.items() if of_network[key] == 1}
    soak = {(row.key, _cpu(row)): row for row in of_kind(rows, "soak")}
    timed = {(identity(row), _cpu(row)): row for row in of_kind(rows, "latency", "pipeline")}
    main = list(timed.values())
    timed_networks = {_network(row) for row in main}
    main += [
        row for (key, _), row in scored.items() if not (accuracy.get(key) and key in timed_networks)
    ]
    seen = {(row.key, _cpu(row)) for row in main}
    main += [row for key, row in soak.items() if key not in seen]
    return [
        Result(label, order, row, _accuracy_of(row, accuracy), soak.get((row.key, _cpu(row))))
        for order, (label, row) in enumerate(zip(labels(main), main, strict=True))
    ]


def _accuracy_of(row: Row, accuracy: dict[tuple[Hashable, ...], Row]) -> Row | None:
    return row if row.kind == "accuracy" else accuracy.get(_network(row))


def _network(row: Row) -> tuple[Hashable, ...]:
    """Return what decides a row's accuracy: the configuration, augmented or not."""
    return (*row.key, str(row.options.get("tta", "")))


def scored_on(row: Row) -> tuple[str, ...]:
    """Return what an accuracy row was scored on: data, split, label maps and frames, in words.

    Of the data its last folder: the same data is elsewhere on another machine.
    """
    data, split = (str(row.options.get(name) or "") for name in ("data", "split"))
    maps = ",".join(map(str, row.options.get("label_map") or ()))
    return (
        f"data {PurePath(data).name}" if data else "",
        f"split {split}" if split else "",
        f"label map {maps}" if maps else "",
        f"{row.n} frames",
    )


def labels(rows: Sequence[Row]) -> list[str]:
    """Name each row by its model and by what is not the same for all rows."""
    parts = [_parts(row) for row in rows]
    differ = [len(set(column) - {None}) > 1 for column in zip(*parts, strict=True)]
    return [
        " · ".join(
            word
            for number, (word, differs) in enumerate(zip(part, differ, strict=True))
            if word and (differs or number == 0)
        )
        for part in parts
    ]


def _parts(row: Row) -> tuple[str | None, ...]:
    """Return what may tell a row from others, the model first; None is no difference."""
    size = f"{row.width}x{row.height}"
    threads, frame = row.options.get("threads", 0), row.options.get("frame_size", "")
    return (
        row.model if row.precision in row.model else f"{row.model} {row.precision}",
        row.engine,
        size,
        f"threads {threads}" if threads else "",
        f"tta {','.join(map(str, row.options.get('tta', [])))}" if row.options.get("tta") else "",
        f"post {','.join(post)}" if (post := row.options.get("post")) else "",
        f"frames {frame}" if frame not in ("", size) and row.kind != "accuracy" else "",
        str(row.options.get("pixel_format", "")) if row.kind != "accuracy" else "",
        f"{rate:g} FPS" if (rate := row.options.get("rate")) else "",
        "pipeline" if row.kind == "pipeline" else "",
        _cpu(row) if row.kind != "accuracy" else "",
        *(scored_on(row) if row.kind == "accuracy" else (None,) * 4),
    )


def _cpu(row: Row) -> str:
    return str(row.machine.get("cpu", ""))


def verdict(found: Sequence[Result]) -> list[str]:
    """Say in a few sentences what the results show, the most useful first."""
    timed = sorted((one for one in found if one.p50), key=lambda one: one.p50 or 0.0)
    scored = sorted((one for one in found if one.miou is not None), key=lambda one: -_score(one))
    return [
        *_speed(timed),
        *(_real_time(timed) if timed else []),
        *_cameras(found),
        *_accuracy(scored, timed),
        *_memory(found),
    ]


def _score(one: Result) -> float:
    return one.miou or 0.0


def _speed(timed: Sequence[Result]) -> list[str]:
    if not timed:
        return []
    best = timed[0]
    line = f"{best.label}: {best.p50:.1f} ms a frame (p50), {best.main.fps or 0:.0f} FPS"
    if len(timed) == 1:
        return [f"{line}."]
    ratio = (timed[-1].p50 or 0.0) / (best.p50 or 1.0)
    return [f"Fastest is {line}; {ratio:.1f} times as fast as {timed[-1].label}."]


def _real_time(timed: Sequence[Result]) -> list[str]:
    budget = 1000 / REAL_TIME_FPS
    hold = [one for one in timed if one.main.latency_ms.get("p99", budget + 1) <= budget]
    if len(timed) == 1:
        which = "It holds" if hold else "It does not hold"
    else:
        which = f"{len(hold)} of {len(timed)} hold"
    return [f"{which} {REAL_TIME_FPS:.0f} FPS with p99 (at most {budget:.1f} ms)."]


def _cameras(found: Sequence[Result]) -> list[str]:
    return [
        f"{one.main.label}, camera to mask: {one.main.fps or 0:.1f} FPS, age p99 "
        f"{one.main.age_ms['p99']:.1f} ms, {one.main.ledger.get('unexplained', 0)} frames "
        f"unexplained, {one.main.cpu.get('outside_share', 0):.1%} of CPU time outside the engine."
        for one in found
        if one.main.kind == "pipeline"
    ]


def _accuracy(scored: Sequence[Result], timed: Sequence[Result]) -> list[str]:
    if not scored:
        return []
    best = scored[0]
    line = f"Best accuracy is {_score(best):.1f} mIoU{_sure(best)} ({best.label})"
    fastest = timed[0] if timed else None
    if fastest and fastest.miou is not None and fastest is not best:
        line += f"; the fastest has {_score(best) - _score(fastest):.1f} points less"
    return [line + "."]


def _sure(one: Result) -> str:
    """Return the interval of an mIoU in words, where there is one."""
    interval = one.accuracy.interval if one.accuracy else {}
    if not {"level", "low", "high", "groups"} <= set(interval):
        return ""
    low, high = interval["low"] * 100, interval["high"] * 100
    return (
        f", {interval['level'] * 100:.0f} % interval {low:.1f} to {high:.1f} over "
        f"{interval['groups']} drives"
    )


def _memory(found: Sequence[Result]) -> list[str]:
    soaked = [one.soak for one in found if one.soak]
    if not soaked:
        return []
    worst = max(soaked, key=lambda row: float(row.soak["slope_mb_per_1000"]))
    slope, allocated = worst.soak["slope_mb_per_1000"], worst.soak["allocated_kb"]
    return [
        f"Memory changes by {slope:+.2f} MB in 1000 frames; {allocated:.0f} KB allocated per frame."
    ]
