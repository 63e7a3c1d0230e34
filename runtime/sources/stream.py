"""A network stream as a source, decoded by FFmpeg through PyAV: RTSP, HTTP (MJPEG, HLS), UDP, SRT.

A frame's timestamp is when its packet arrived: the camera's own encoding and the network are not
in a mask's age. Streams have no sequence numbers that reach us, so frames that the network lost
show as corrupt ones where the decoder notices, and not as drops.
"""

from __future__ import annotations

import errno
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from roadseg.runtime.errors import (
    CorruptFrame,
    MissingExtra,
    SourceError,
    SourceLost,
    SourceStalled,
    UsageError,
)
from roadseg.runtime.frame import Frame
from roadseg.runtime.sources.base import OpenSource, SourceInfo, Timeouts
from roadseg.runtime.sources.decoded import DecodedPixels, copy_reason
from roadseg.runtime.sources.query import hide_password

if TYPE_CHECKING:
    from av import VideoFrame

LOW_LATENCY = {
    # What is read to find the streams is kept: fflags=nobuffer would throw the key frame away, and
    # the first picture would come a group of pictures later.
    "analyzeduration": "100000",  # µs
    "flags": "low_delay",
    "max_delay": "0",  # no waiting for RTP packets that come out of order
    "err_detect": "explode",  # a damaged picture is an error, not a guess
}
TICKS = 1000  # a second or more: FFmpeg guesses the clock's where a stream tells no rate
UNKNOWN_PTS = 64  # packets that may be inside the decoder


class StreamSource(OpenSource):
    """Frames as they arrive. A live stream has no end: when it ends, SourceLost is raised.

    A URL with a duration (a recording on a web server) is read to its end like a file.
    """

    def __init__(self, uri: str, timeouts: Timeouts | None = None) -> None:
        try:
            import av
            from av.video.reformatter import VideoReformatter
        except ImportError:
            raise MissingExtra("PyAV", "camera", f"reading {hide_password(uri)}") from None
        self._av, self._name = av, hide_password(uri)
        limits = timeouts or Timeouts()
        url, options = _options(uri)
        self._pixels = DecodedPixels(VideoReformatter())
        self._waiting: deque[VideoFrame] = deque()
        self._arrived: dict[int | None, int] = {}  # by pts, monotonic ns
        self._next = 0
        try:
            self._container: Any = av.open(
                url, options=options, timeout=(limits.open_s, limits.read_s)
            )
        except (av.FFmpegError, OSError) as error:
            raise self._fault(error) from None
        try:
            self._begin(limits.open_s)
        except BaseException:
            self.close()
            raise

    def read(self) -> Frame | None:
        """See Source."""
        while not self._waiting:
            packet = self._next_packet()
            if packet is None:
                if self.info.live:
                    raise SourceLost(f"{self._name}: the stream ended")
                return None
            self._decode(packet)
        frame = self._waiting.popleft()
        number, self._next = self._next, self._next + 1
        if frame.is_corrupt:
            raise CorruptFrame(f"{self._name}: frame {number} is damaged")
        pixels, form, release = self._pixels.take(frame)
        taken = self._arrived.pop(frame.pts, None) or time.monotonic_ns()
        return Frame(pixels, form, taken, number, f"{number:06d}", release)

    def close(self) -> None:
        """See Source."""
        self._container.close()

    def _begin(self, open_s: float) -> None:
        """Decode the first frame, which tells size and format; what comes before it is in pieces.

        Who joins a stream sees the rest of a group of pictures first, which cannot be decoded.
        """
        if not self._container.streams.video:
            raise SourceLost(f"{self._name}: there is no video in it")
        stream = self._container.streams.video[0]
        stream.thread_type = "SLICE"  # threads by frame would hold frames back
        stream.codec_context.options = {"err_detect": LOW_LATENCY["err_detect"]}
        self._packets = self._container.demux(stream)
        give_up = time.monotonic() + open_s
        while not self._waiting:
            packet = self._next_packet()
            if packet is None or time.monotonic() > give_up:
                raise SourceLost(f"{self._name}: no picture in it could be decoded")
            try:
                self._decode(packet)
            except CorruptFrame:
                self._next = 0
            while self._waiting and not self._waiting[0].key_frame:
                self._waiting.popleft()  # some decoders draw what is missing in grey
        first, rate = self._waiting[0], float(stream.average_rate or stream.guessed_rate or 0)
        rate = rate if rate < TICKS else 0.0
        live = self._container.duration is None
        self.info = SourceInfo(
            self._name, first.width, first.height, rate, None, live, copy_reason(first)
        )

    def _next_packet(self) -> Any:
        try:
            packet = next(self._packets, None)
        except (self._av.FFmpegError, OSError) as error:
            raise self._fault(error) from None
        if packet is not None:
            if len(self._arrived) > UNKNOWN_PTS:
                self._arrived.clear()
            self._arrived[packet.pts] = time.monotonic_ns()
        return packet

    def _decode(self, packet: Any) -> None:
        try:
            self._waiting.extend(packet.decode())
        except self._av.EOFError:
            return
        except self._av.FFmpegError:
            number, self._next = self._next, self._next + 1
            raise CorruptFrame(f"{self._name}: frame {number} cannot be decoded") from None

    def _fault(self, error: Exception) -> SourceError | UsageError:
        """Return what an error of FFmpeg is for us."""
        av = self._av
        if isinstance(error, av.error.ExitError):  # how PyAV tells of its timeouts
            return SourceStalled(f"{self._name}: no data came in time")
        told = getattr(error, "strerror", None) or str(error)
        if getattr(error, "errno", None) == errno.EIO:  # what FFmpeg says where it knows no better
            log = getattr(error, "log", None)
            told = log[2].strip() if log else "the stream ended"
        if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
            return UsageError(f"{self._name}: user or password is refused ({told})")
        if isinstance(error, (av.error.ProtocolNotFoundError, av.error.OptionNotFoundError)):
            return UsageError(f"{self._name}: this FFmpeg cannot read it ({told})")
        return SourceLost(f"{self._name}: {told}")


def _options(uri: str) -> tuple[str, dict[str, str]]:
    """Return the URL and FFmpeg's options; rtsp://…#udp asks for UDP instead of TCP."""
    options = dict(LOW_LATENCY)
    url, _, transport = uri.partition("#")
    if url.startswith("rtsp"):
        if transport not in ("", "tcp", "udp"):
            raise UsageError(
                f"{hide_password(uri)}: what follows # is neither tcp nor udp "
                "(a # in a password is written %23)"
            )
        options["rtsp_transport"] = transport or "tcp"
    if url.startswith("udp"):
        options["overrun_nonfatal"] = "1"  # a burst loses packets, not the stream
    return url, options
