"""A run's numbers in the text format that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterable

from roadseg.runtime.monitor import LIVE, SHARES, Monitor

Sample = tuple[str, dict[str, str], float]  # what follows the name, labels, value


def metrics(monitor: Monitor, viewers: int, pictures: int) -> str:
    """Return all metrics of a run (Prometheus text format 0.0.4)."""
    families = [
        *_frames(monitor),
        *_times(monitor),
        *_sinks(monitor),
        *_sensors(monitor),
        _family("web_viewers", "gauge", "Viewers of the page now.", [("", {}, viewers)]),
        _family("web_pictures_total", "counter", "Pictures encoded.", [("", {}, pictures)]),
    ]
    return "".join(families)


def _frames(monitor: Monitor) -> Iterable[str]:
    counts = monitor.counts()
    about = {k: str(v) for k, v in monitor.about().items() if k in ABOUT}
    state, captured = monitor.state, counts.pop("captured")
    under_way = counts.pop("under_way")
    fates: list[Sample] = [("", {"fate": name}, count) for name, count in counts.items()]
    last = monitor.since_last_s
    yield _family("info", "gauge", "What runs.", [("", about, 1)])
    yield _family("uptime_seconds", "gauge", "Since the start.", [("", {}, monitor.uptime_s)])
    yield _family("source_state", "gauge", "The source's state.", [("", {"state": state}, 1)])
    yield _family("source_up", "gauge", "1 while live.", [("", {}, state == LIVE)])
    yield _family("captured_frames_total", "counter", "By the source.", [("", {}, captured)])
    yield _family("frames_total", "counter", "Captured frames by what became of them.", fates)
    yield _family("frames_under_way", "gauge", "Captured and not shown.", [("", {}, under_way)])
    yield _family("fps", "gauge", "Masks a second, of the last seconds.", [("", {}, monitor.fps)])
    if last is not None:
        yield _family("last_mask_seconds", "gauge", "Since the last mask.", [("", {}, last)])


ABOUT = ("model", "precision", "engine", "source")


def _times(monitor: Monitor) -> Iterable[str]:
    times = monitor.milliseconds()
    age = [*_quantiles(times.pop("age"), {})]
    age.append(("_sum", {}, monitor.age_sum_ms / 1e3))
    age.append(("_count", {}, monitor.pipeline.ledger.age.count))
    yield _family("age_seconds", "summary", "From capture to mask, newest frames.", age)
    stages = [one for name, row in times.items() for one in _quantiles(row, {"stage": name})]
    yield _family("stage_seconds", "gauge", "By stage and quantile, newest frames.", stages)


def _quantiles(row: list[float], labels: dict[str, str]) -> Iterable[Sample]:
    for share, value in zip(SHARES, row, strict=True):
        yield "", {**labels, "quantile": f"{share / 100:g}"}, value / 1e3


def _sinks(monitor: Monitor) -> Iterable[str]:
    frames: list[Sample] = []
    up: list[Sample] = []
    for tally in monitor.tallies:
        frames.append(("", {"sink": tally.name, "fate": "written"}, tally.written))
        frames.append(("", {"sink": tally.name, "fate": "lost"}, tally.lost))
        up.append(("", {"sink": tally.name}, tally.fault is None))
    yield _family("sink_frames_total", "counter", "Frames by sink.", frames)
    yield _family("sink_up", "gauge", "0 once a sink has failed.", up)


def _sensors(monitor: Monitor) -> Iterable[str]:
    if monitor.sensors is None or not monitor.sensors.found:
        return
    seen = monitor.sensors.readings
    if seen.joules is not None:
        joules: list[Sample] = [("", {"meter": seen.meter}, seen.joules)]
        yield _family("energy_joules_total", "counter", "Of the machine since the start.", joules)
    if seen.celsius:
        heat: list[Sample] = [("", {"zone": name}, one) for name, one in seen.celsius.items()]
        yield _family("temperature_celsius", "gauge", "By thermal zone.", heat)
    if seen.clocks:
        clocks: list[Sample] = [
            ("", {"unit": name}, now * 1e6) for name, (now, _) in seen.clocks.items()
        ]
        yield _family("clock_hertz", "gauge", "Of processors.", clocks)
    yield _family(
        "throttled", "gauge", "1 once throttling was seen.", [("", {}, bool(seen.throttled))]
    )


def _family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP roadseg_{name} {words}", f"# TYPE roadseg_{name} {kind}"]
    for end, labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(
            f"roadseg_{name}{end}" + (f"{{{inner}}}" if inner else "") + f" {float(value)!r}"
        )
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
