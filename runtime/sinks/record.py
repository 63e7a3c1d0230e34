"""The seconds around an event, as short videos."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import threading
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from roadseg.runtime.decode import count_classes
from roadseg.runtime.errors import UsageError
from roadseg.runtime.files import atomic_path, write_text
from roadseg.runtime.result import Result
from roadseg.runtime.sinks.base import Sink
from roadseg.runtime.sinks.painter import Painter
from roadseg.runtime.sinks.segments import Segment, Segments
from roadseg.runtime.sources.base import SourceInfo
from roadseg.runtime.spec import ClassInfo

RING = "ring"  # folder of the last seconds, while a run lasts
MOST_EVENTS = 100  # the oldest go: a camera that runs for years does not fill its disk
EVENT = re.compile(r"\d{8}T\d{6}\.\d{3}Z-\w+")


class RecordSink(Sink):
    """Keeps the last seconds in FOLDER/ring, and copies of them in FOLDER/TIME-REASON.

    An event is a `trigger`, or a share of drivable pixels that falls below `below`. The seconds
    after it are added as they come; one that follows within them makes them longer.
    """

    name = "record"

    def __init__(
        self, folder: Path, seconds: float, below: float, info: SourceInfo, painter: Painter
    ) -> None:
        self._lock = threading.RLock()  # `trigger` comes from another thread
        self.folder, self._seconds, self._below = folder, seconds, below
        self._drivable = _ids(painter.classes)
        self._classes = len(painter.classes)
        if below and not self._drivable:
            raise UsageError("--record-below: none of the model's classes is drivable")
        ring = folder / RING
        ring.mkdir(parents=True, exist_ok=True)
        self._claim = _claim(folder)
        _keep_what_was_left(ring)
        self._segments = Segments(ring, seconds, info, painter)
        self._event: Path | None = None
        self._until_s = 0.0
        self._was_low = False
        self._events = 0
        self._fault: Exception | None = None
        self._is_closed = False

    def write(self, result: Result) -> None:
        """See Sink."""
        with self._lock:
            if self._fault:
                raise self._fault
            self._add(self._segments.write(result))
            low = self._is_low(result)
            if low and not self._was_low:
                self._begin("drivable")
            self._was_low = low

    def trigger(self, reason: str) -> None:
        """Keep the seconds around now; from any thread. What fails is raised by the next write."""
        with self._lock:
            if self._is_closed or self._fault:
                return
            try:
                self._begin(reason)
            except Exception as error:
                self._fault = error

    def _is_low(self, result: Result) -> bool:
        if not self._below:
            return False
        counts = count_classes(result.mask, self._classes)
        return int(counts[self._drivable].sum()) < self._below * result.mask.size

    def _begin(self, reason: str) -> None:
        self._add(self._segments.finish())
        self._until_s = self._segments.now_s + self._seconds
        if self._event is not None:
            return
        now = datetime.now(timezone.utc)
        self._event = self.folder / f"{_stamp(now)}-{reason}"
        self._events += 1
        about = {"reason": reason, "time": now.isoformat(timespec="milliseconds")}
        write_text(self._event / "event.json", json.dumps(about) + "\n")
        for segment in self._segments.kept:
            _link(segment.path, self._event)
        _prune(self.folder, self._event)

    def _add(self, segment: Segment | None) -> None:
        """Add a finished segment to the event that is under way."""
        if segment is None or self._event is None:
            return
        _link(segment.path, self._event)
        if segment.end_s >= self._until_s:
            self._event = None

    def close(self) -> str:
        """See Sink; the ring is taken away, events stay."""
        with self._lock:
            self._is_closed = True
            try:
                self._add(self._segments.finish())
                shutil.rmtree(self._segments.folder)
            finally:
                os.close(self._claim)
        return f"events {self.folder}, {self._events}" if self._events else ""


def _ids(classes: Sequence[ClassInfo]) -> list[int]:
    return [number for number, info in enumerate(classes) if info.drivable]


def _stamp(when: datetime) -> str:
    return f"{when:%Y%m%dT%H%M%S}.{when.microsecond // 1000:03d}Z"


def _claim(folder: Path) -> int:
    """Lock a folder until the process ends, however it ends; returns the descriptor."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError(f"--record {folder}: another run records there") from None
    return descriptor


def _keep_what_was_left(ring: Path) -> None:
    """Make an event of the ring of a run that was killed: its last seconds say why, perhaps."""
    for path in ring.glob(".*"):
        path.unlink()
    left = sorted(ring.iterdir())
    if left:
        killed = datetime.fromtimestamp(left[-1].stat().st_mtime, timezone.utc)
        event = ring.rename(ring.with_name(f"{_stamp(killed)}-killed"))
        ring.mkdir()
        _prune(ring.parent, event)


def _link(path: Path, folder: Path) -> None:
    """Give a whole file a second name in a folder; a disk that has no links gets a copy."""
    target = folder / path.name
    try:
        os.link(path, target)
    except OSError:
        with atomic_path(target) as part:
            shutil.copyfile(path, part)


def _prune(folder: Path, newest: Path) -> None:
    """Take the oldest events away; `newest` stays, whatever the time that it was named by.

    A board without a clock of its own begins in 1970, until the network tells it better.
    """
    events = sorted(path for path in folder.iterdir() if EVENT.fullmatch(path.name))
    others = [path for path in events if path != newest]
    for path in others[: max(0, len(events) - MOST_EVENTS)]:
        with contextlib.suppress(OSError):
            shutil.rmtree(path)
