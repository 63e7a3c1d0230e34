"""Monitor: what a run is doing now, for whoever asks while it runs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roadseg.runtime.result import Result
from roadseg.runtime.sources.query import hide_password

if TYPE_CHECKING:
    from roadseg.runtime.pipeline import Pipeline
    from roadseg.runtime.sensors import SensorLog
    from roadseg.runtime.sinks.lane import Tally

HISTORY_S = 120  # seconds that are kept
RATE_S = 3  # whole seconds that the rate is taken over
SHARES = (50.0, 90.0, 99.0)
LIVE = "live"


@dataclass
class Second:
    """The masks of one second of a run: how many, and the sum and largest of their ages."""

    number: int
    frames: int = 0
    age_sum_ms: float = 0.0
    age_max_ms: float = 0.0


class Monitor:
    """Follows a pipeline; `note` is called in its thread, everything else in any.

    sensors: of the machine, where they are read.
    """

    def __init__(self, pipeline: Pipeline, sensors: SensorLog | None = None) -> None:
        self.pipeline, self.sensors = pipeline, sensors
        self.tallies: Sequence[Tally] = ()
        self.age_sum_ms = 0.0
        self._start = time.monotonic()
        self._last: float | None = None
        self._seconds: deque[Second] = deque(maxlen=HISTORY_S)
        self._lock = threading.Lock()

    def note(self, result: Result) -> None:
        """Count a mask."""
        age_ms, now = result.age_ns / 1e6, time.monotonic()
        with self._lock:
            self._last = now
            self.age_sum_ms += age_ms
            number = int(now - self._start)
            if not self._seconds or self._seconds[-1].number != number:
                self._seconds.append(Second(number))
            second = self._seconds[-1]
            second.frames += 1
            second.age_sum_ms += age_ms
            second.age_max_ms = max(second.age_max_ms, age_ms)

    @property
    def state(self) -> str:
        """What the source says of itself; "live" of one that says nothing."""
        state = getattr(self.pipeline.source, "state", LIVE)
        return str(getattr(state, "value", state))

    @property
    def uptime_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._start

    @property
    def since_last_s(self) -> float | None:
        """Seconds since the last mask, None before the first."""
        return None if self._last is None else time.monotonic() - self._last

    @property
    def fps(self) -> float:
        """Masks a second over the last whole seconds."""
        now = int(self.uptime_s)
        seconds = min(RATE_S, now)
        with self._lock:
            frames = [s.frames for s in self._seconds if now - seconds <= s.number < now]
        return sum(frames) / seconds if seconds else 0.0

    def counts(self) -> dict[str, int]:
        """Return the ledger's counts, and how many frames are under way."""
        ledger, stale = self.pipeline.ledger, self.pipeline.stale
        told = {
            "shown": ledger.shown,
            "dropped": ledger.dropped,
            "stale": stale,
            "corrupt": ledger.corrupt,
        }
        captured = ledger.captured  # read last: a frame is captured before anything else
        under_way = max(0, captured - sum(told.values()))
        return {"captured": captured, **told, "under_way": under_way}

    def milliseconds(self) -> dict[str, list[float]]:
        """Return p50, p90 and p99 of each stage and of the age."""
        ledger = self.pipeline.ledger
        samples = {**ledger.stages, "age": ledger.age}
        return {
            name: [round(one.percentile(share), 2) for share in SHARES]
            for name, one in samples.items()
        }

    def status(self) -> dict[str, Any]:
        """Return all that changes, fit for JSON."""
        with self._lock:
            history = [
                [s.number, s.frames, round(s.age_sum_ms / s.frames, 1), round(s.age_max_ms, 1)]
                for s in self._seconds
            ]
        last = self.since_last_s
        return {
            "state": self.state,
            "fps": round(self.fps, 1),
            "since_last_s": None if last is None else round(last, 2),
            "uptime_s": round(self.uptime_s, 1),
            "ledger": self.counts(),
            "milliseconds": self.milliseconds(),
            "age_max_ms": round(self.pipeline.ledger.age.max, 1),
            "sinks": [
                {"name": t.name, "written": t.written, "lost": t.lost, "failed": bool(t.fault)}
                for t in self.tallies
            ],
            "history": history,
        }

    def about(self) -> dict[str, Any]:
        """Return what stays the same during a run, fit for JSON."""
        engine, info = self.pipeline.segmenter.engine, self.pipeline.source.info
        return {
            "model": engine.spec.name,
            "precision": engine.spec.precision,
            "engine": engine.name,
            "input": [engine.width, engine.height],
            "source": hide_password(info.uri),
            "size": [info.width, info.height],
            "source_fps": info.fps,
            "metrics": engine.spec.metrics,
            "classes": [
                {"name": one.name, "color": one.color, "drivable": one.drivable}
                for one in engine.spec.classes
            ],
        }
