"""Source: where frames come from. Everything that gives pictures is an implementation of it."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from roadseg.runtime.frame import Frame

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class SourceInfo:
    """What a source says of itself once it is open.

    uri: what it was opened by.
    width, height: of its frames in pixels (of the first, where they differ).
    fps: frames a second, 0.0 where there is no rate (images).
    frames: how many there will be, None where that is not known or has no end.
    live: a live source does not wait: frames that are not read in time are stale.
    copy_reason: why pixels are copied on their way into a frame; empty where frames are views of
        the source's own buffers.
    stable_uri: what finds the same device again where `uri` may not (another /dev/videoN after a
        replug); empty where what it was opened by does.
    detail: what was agreed on with the device, in words.
    """

    uri: str
    width: int
    height: int
    fps: float
    frames: int | None
    live: bool
    copy_reason: str = ""
    stable_uri: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Timeouts:
    """How long a source that can hang is waited for, in seconds.

    open_s: until it is open.
    read_s: for a frame, or for data.
    """

    open_s: float = 10.0
    read_s: float = 10.0


class Source(Protocol):
    """An open source of frames. Not thread-safe: one thread reads."""

    info: SourceInfo

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end.

        A frame's pixels stay valid until its `release` is called. Raises CorruptFrame for a frame
        or file that cannot be decoded (reading may go on), SourceError when the device fails:
        SourceLost when it went away, SourceStalled when no frame came in time.
        """

    def cancel(self) -> None:
        """Make a read that waits return None soon, where that is possible; from any thread."""

    def close(self) -> None:
        """Give the device or file back; may be called twice."""

    def __enter__(self) -> Source: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class OpenSource:
    """What all sources share: closing at the end of a `with` block."""

    info: SourceInfo

    def read(self) -> Frame | None:
        """See Source."""
        raise NotImplementedError

    def cancel(self) -> None:
        """See Source; nothing, where no read waits long."""

    def close(self) -> None:
        """See Source."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
