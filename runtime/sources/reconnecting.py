"""A live source that comes back: unplugged, stalled, restarted, or not there yet.

    connecting ─► live ─► stalled or lost ─► live ─► …

Some faults give no error at all (a frozen camera, a server that is stopped), so a watchdog ends a
connection that gives no frame in time. There is never a frame that was not captured: while the
source is away, nothing comes.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable

from roadseg.runtime.errors import CorruptFrame, SourceError, SourceLost, SourceStalled
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.outages import Outages, SourceState, SourceStatus
from roadseg.runtime.sources import is_live, open_source
from roadseg.runtime.sources.base import OpenSource, Source, SourceInfo, Timeouts
from roadseg.runtime.sources.connection import Connection
from roadseg.runtime.sources.survival import Survival

TICK_S = 0.25  # how often it is told that the source is still away
CLOSING_S = 2.0  # a connection that is given up has this long to free the device
MOST_HUNG = 4  # connections that do not end; no more are made until one does

Listener = Callable[[SourceStatus], None]


class ReconnectingSource(OpenSource):
    """Wraps what `opener` opens; waits until it is there, and opens it again when it is lost.

    Sequence numbers go on over a return, without a gap: a source that starts to count again from 0
    has dropped nothing, and no two frames of a run have one name. Gaps within a connection stay.
    Raises SourceError with `fail_fast`, and when it was not there since the start for too long;
    wrong use (UsageError) always ends it.
    """

    def __init__(
        self,
        opener: Callable[[], Source],
        survival: Survival | None = None,
        outages: Outages | None = None,
        listener: Listener = lambda status: None,
    ) -> None:
        self.survival, self.outages = survival or Survival(), outages or Outages()
        self._opener, self._listener = opener, listener
        self._cancelled = threading.Event()
        self._started_ns, self._was_open = time.monotonic_ns(), False
        self._status = SourceStatus(SourceState.CONNECTING, time.monotonic_ns())
        self._delays = self.survival.delays()
        self._hung: list[Connection] = []
        self._numbers = _Numbers()
        self._shape: tuple[int, int, PixelFormat] | None = None
        self._connection: Connection | None = None
        self._last_ns = 0  # when the last whole frame came, or the connection was opened
        self._last_taken_ns = 0  # when that frame was captured
        self._damaged = False  # whether damaged ones came since
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    @property
    def state(self) -> SourceState:
        """How it is now; from any thread."""
        return self._status.state

    def read(self) -> Frame | None:
        """See Source; waits through outages."""
        while not self._cancelled.is_set():
            try:
                return self._take()
            except SourceError as error:
                if self.survival.fail_fast or not self.info.live:
                    raise
                self._lose(error)
                self._connect()
        return None

    def cancel(self) -> None:
        """See Source."""
        self._cancelled.set()
        if self._connection is not None:
            self._connection.give_up()

    def close(self) -> None:
        """See Source; a device that hangs is left to the thread that hangs in it."""
        self.cancel()
        if self._connection is not None:
            self._connection.ends(CLOSING_S)

    def _take(self) -> Frame | None:
        if self._connection is None:
            raise SourceLost("not open")
        waited_s = (time.monotonic_ns() - self._last_ns) / 1e9 if self.info.live else 0.0
        late = SourceStalled(f"no whole frame for {self.survival.stall_s:g} s")
        if self._damaged and waited_s > self.survival.stall_s:
            raise late
        try:
            frame = self._connection.get(self.survival.stall_s - waited_s)
        except CorruptFrame:
            self._numbers.skip()
            self._damaged = True  # told as it is; it does not count as a sign of life
            raise
        except SourceStalled:
            raise late from None
        return None if frame is None else self._welcome(frame, self._connection)

    def _welcome(self, frame: Frame, connection: Connection) -> Frame:
        """Number a frame, and tell what is new with it."""
        now = time.monotonic_ns()
        if self._status.state is not SourceState.LIVE:
            self._delays, back = self.survival.delays(), ""
            if self._shape is not None:
                down_ns = frame.timestamp_ns - self._last_taken_ns
                self.outages.add(down_ns, now - connection.started_ns)
                back = f"back after {down_ns / 1e9:.1f} s"
            elif self._status.attempts:
                back = f"there after {(now - self._status.since_ns) / 1e9:.1f} s"
            self._change(SourceState.LIVE, back)
        self._last_ns, self._last_taken_ns, self._damaged = now, frame.timestamp_ns, False
        shape = (frame.width, frame.height, frame.format)
        if self._shape not in (None, shape):
            self._tell(f"frames are now {frame.width}x{frame.height} {frame.format.value}")
        if self._shape != shape:
            info = connection.info(0) or self.info
            self.info = dataclasses.replace(info, width=frame.width, height=frame.height)
        self._shape = shape
        return self._numbers.follow(frame)

    def _lose(self, error: SourceError) -> None:
        """Let the connection go."""
        stalled = isinstance(error, SourceStalled)
        self._change(SourceState.STALLED if stalled else SourceState.LOST, str(error))
        self._drop_connection()
        self._pause(next(self._delays))

    def _connect(self) -> None:
        """Open until it succeeds, or reading is cancelled."""
        while not self._cancelled.is_set():
            self._wait_for_hung()
            self._connection = Connection(self._opener)
            try:
                self.info = self._await_open(self._connection)
            except SourceError as error:
                self._drop_connection()
                if self.survival.fail_fast:
                    raise
                if self._is_hopeless():
                    waited = f"waited {self.survival.start_s:g} s, --start-timeout 0 waits on"
                    raise type(error)(f"{error}; {waited}") from None
                self._failed(error)
                self._pause(next(self._delays))
                continue
            self._was_open = True
            self._numbers.restart()
            self._last_ns, self._damaged = time.monotonic_ns(), False
            return

    def _is_hopeless(self) -> bool:
        """Whether it never was there, and was waited for long enough."""
        waited_s = (time.monotonic_ns() - self._started_ns) / 1e9
        return not self._was_open and 0 < self.survival.start_s < waited_s

    def _await_open(self, connection: Connection) -> SourceInfo:
        give_up = time.monotonic() + self.survival.open_s
        while (left := give_up - time.monotonic()) > 0 and not self._cancelled.is_set():
            info = connection.info(min(left, TICK_S))
            if info is not None:
                return info
            self._still()
        raise SourceStalled(f"not open after {self.survival.open_s:g} s")

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.give_up()
            self._hung.append(self._connection)
            self._connection = None

    def _wait_for_hung(self) -> None:
        """Give what was let go of time to free the device: two cannot have it."""
        give_up = time.monotonic() + CLOSING_S
        while not self._cancelled.is_set():
            self._hung = [connection for connection in self._hung if not connection.ends(0)]
            late = time.monotonic() > give_up
            if not self._hung or (late and len(self._hung) < MOST_HUNG):
                return
            self._hung[-1].ends(TICK_S)
            self._still()

    def _pause(self, seconds: float) -> None:
        give_up = time.monotonic() + seconds
        while (left := give_up - time.monotonic()) > 0:
            if self._cancelled.wait(min(left, TICK_S)):
                return
            self._still()

    def _change(self, state: SourceState, reason: str = "") -> None:
        if state is not self._status.state:
            self._status = SourceStatus(state, time.monotonic_ns(), reason=reason)
            self._listener(self._status)

    def _failed(self, error: SourceError) -> None:
        """Count an attempt; a reason that was not told yet is news."""
        status = self._status
        self._status = dataclasses.replace(status, attempts=status.attempts + 1, changed=False)
        if str(error) != status.reason:
            self._tell(str(error))

    def _tell(self, reason: str) -> None:
        self._status = dataclasses.replace(self._status, reason=reason, changed=True)
        self._listener(self._status)

    def _still(self) -> None:
        self._listener(dataclasses.replace(self._status, changed=False))


def open_reconnecting(
    uri: str,
    survival: Survival,
    outages: Outages | None = None,
    listener: Listener = lambda status: None,
) -> Source:
    """Open a live source so that it comes back; any other as open_source does."""
    timeouts = Timeouts(survival.open_s, survival.stall_s)
    if not is_live(uri):
        return open_source(uri, timeouts)
    return ReconnectingSource(_SameDevice(uri, timeouts), survival, outages, listener)


class _SameDevice:
    """Opens a source, and from then on by the name that it keeps."""

    def __init__(self, uri: str, timeouts: Timeouts) -> None:
        self._uri, self._timeouts = uri, timeouts

    def __call__(self) -> Source:
        source = open_source(self._uri, self._timeouts)
        self._uri = source.info.stable_uri or self._uri
        return source


class _Numbers:
    """Sequence numbers over connections, in step with how the pipeline counts."""

    def __init__(self) -> None:
        self._next, self._connection = 0, -1
        self._offset: int | None = None

    def restart(self) -> None:
        """Begin a connection: its first frame follows the last one of the connection before."""
        self._offset = None
        self._connection += 1

    def skip(self) -> None:
        """Count a frame that is corrupt."""
        self._next += 1

    def follow(self, frame: Frame) -> Frame:
        """Return the frame with its number in the run, and that of its connection."""
        if self._offset is None:
            self._offset = self._next - frame.sequence
        number = frame.sequence + self._offset
        self._next = number + 1
        name = f"{number:06d}"
        return dataclasses.replace(frame, sequence=number, name=name, connection=self._connection)
