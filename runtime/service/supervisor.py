"""Supervisor: looks after a run, a few times a second, from a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from queue import Empty
from typing import TYPE_CHECKING

from roadseg.runtime.engines.base import Engine
from roadseg.runtime.monitor import LIVE, Monitor
from roadseg.runtime.service.event_log import EventLog
from roadseg.runtime.service.notifier import Notifier
from roadseg.runtime.service.reloader import Reloader
from roadseg.runtime.service.requests import Request, Requests
from roadseg.runtime.sinks import Sink

if TYPE_CHECKING:
    from typing_extensions import Self

    from roadseg.runtime.sinks.record import RecordSink

TICK_S = 0.2
STATUS_S = 5.0
LOST_S = 3.0  # without a mask: the source counts as lost
JOIN_S = 2.0  # a recorder whose disk hangs holds its thread; the run does not wait longer for it
# What the log tells of. Stale frames are in the status: of a camera faster than the engine it
# would be a line in each interval for ever.
LOSSES = {"dropped": "dropped by the sensor", "corrupt": "corrupt"}


@dataclass(frozen=True)
class Upkeep:
    """What looking after a run takes.

    service: whether systemd is told; a run with a recorder is looked after too.
    requests: from signals.
    reopen: opens the model again, as it was opened first.
    log: of events.
    """

    service: bool
    requests: Requests
    reopen: Callable[[], Engine]
    log: EventLog = field(default_factory=EventLog)


class Supervisor:
    """Tells systemd and the log how a run is, and does what signals ask for.

    systemd gets READY with the first mask, WATCHDOG only while masks go on, so a camera, engine or
    sink that hangs is restarted with the process. Should this thread itself fail, the signs of
    life end too.

    A `with` block is the run; its end is told as STOPPING.
    """

    def __init__(
        self,
        monitor: Monitor,
        upkeep: Upkeep,
        recorder: RecordSink | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self._monitor, self._requests, self._recorder = monitor, upkeep.requests, recorder
        self.notifier, self.log = notifier or Notifier(), upkeep.log
        segmenter = monitor.pipeline.segmenter
        self._reloader = Reloader(upkeep.reopen, segmenter, self.log, self.notifier)
        self._reload_wanted = False
        self._shown = 0
        self._lost = False
        self._counted = dict.fromkeys(LOSSES, 0)
        self._sink_lost: dict[str, int] = {}
        self._status_due_s = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        watchdog = self.notifier.watchdog_s
        self._tick_s = min(TICK_S, watchdog / 4) if watchdog else TICK_S

    def __enter__(self) -> Self:
        self.notifier.status("waits for the first frame")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(JOIN_S)
        self.notifier.stopping()
        self.log.flush(all_kinds=True)
        self.notifier.close()

    def _run(self) -> None:
        while not self._end.is_set():
            with contextlib.suppress(Empty):
                self._take(self._requests.get(timeout=self._tick_s))
            self._tick()

    def _take(self, request: Request) -> None:
        if request is Request.RELOAD:
            self._reload_wanted = True
        elif self._recorder:
            self._recorder.trigger("asked")

    def _tick(self) -> None:
        if self._reload_wanted and not self._reloader.busy:
            self._reload_wanted = False
            self._reloader.start()
        self._tell_progress()
        self._watch_source()
        self._log_losses()
        self.log.flush()
        if self._monitor.uptime_s >= self._status_due_s and self._shown:
            self._status_due_s = self._monitor.uptime_s + STATUS_S
            self.notifier.status(self._words())

    def _tell_progress(self) -> None:
        shown = self._monitor.pipeline.ledger.shown
        if shown == self._shown:
            return
        if self._shown == 0:
            self.notifier.ready()
        self._shown = shown
        self.notifier.alive()

    def _watch_source(self) -> None:
        """Tell when masks stop coming, once, and when they come again."""
        since = self._monitor.since_last_s
        if since is None:
            return
        says_so = self._monitor.state != LIVE  # and tells of it itself
        lost = since > LOST_S or says_so
        if lost and not self._lost:
            if not says_so:
                self.log.tell("no frame", f"no frame for {since:.1f} s")
            if self._recorder:
                self._recorder.trigger("lost")
        elif self._lost and not lost:
            self.log.tell("frames", "frames come again")
        self._lost = lost

    def _log_losses(self) -> None:
        counts = self._monitor.counts()
        for name, words in LOSSES.items():
            if (more := counts[name] - self._counted[name]) > 0:
                self.log.tell(name, f"frames {words}: {more} more, {counts[name]} in all")
            self._counted[name] = counts[name]
        for tally in self._monitor.tallies:
            if tally.lost > self._sink_lost.get(tally.name, 0):
                self.log.tell(f"sink {tally.name}", f"{tally.name} lost {tally.lost} frames so far")
                self._sink_lost[tally.name] = tally.lost

    def _words(self) -> str:
        counts, monitor = self._monitor.counts(), self._monitor
        age = monitor.pipeline.ledger.age.percentile(99)
        losses = ", ".join(f"{name} {counts[name]}" for name in ("stale", *LOSSES))
        return (
            f"{monitor.state}, {monitor.fps:.1f} FPS, age p99 {age:.0f} ms, "
            f"shown {counts['shown']}, {losses}"
        )


def supervise(
    upkeep: Upkeep, monitor: Monitor, sinks: Sequence[Sink]
) -> AbstractContextManager[object]:
    """Return what looks after a run while its block lasts; nothing when no one is needed."""
    from roadseg.runtime.sinks.record import RecordSink

    recorder = next((sink for sink in sinks if isinstance(sink, RecordSink)), None)
    if not upkeep.service and recorder is None:
        return contextlib.nullcontext()
    return Supervisor(monitor, upkeep, recorder, Notifier() if upkeep.service else Notifier({}))
