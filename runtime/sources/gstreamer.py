"""A GStreamer pipeline as a source: gst:v4l2src ! image/jpeg ! jpegdec, or csi://0 on a Jetson.

The pipeline's last element feeds an appsink, which is added here; frames are views of the mapped
buffers. csi:// is not verified on a device.
"""

from __future__ import annotations

import re
import threading
import time
from ctypes import POINTER, byref
from dataclasses import dataclass

from roadseg.runtime.errors import (
    CorruptFrame,
    SourceLost,
    SourceStalled,
    UsageError,
)
from roadseg.runtime.frame import Frame
from roadseg.runtime.options import Size
from roadseg.runtime.sources.base import OpenSource, SourceInfo, Timeouts
from roadseg.runtime.sources.gstreamer_library import (
    CORRUPTED,
    ERROR,
    FAILURE,
    NO_PREROLL,
    NO_TIME,
    NULL,
    PAUSED,
    PLAYING,
    Buffer,
    GError,
    Library,
    VideoInfo,
    gstreamer,
)
from roadseg.runtime.sources.gstreamer_sample import FORMATS, MappedSample
from roadseg.runtime.sources.query import hide_password, parse_query

# videoconvert passes a format through that the sink takes, and converts any other.
TAIL = (
    " ! videoconvert name=roadseg_convert ! appsink name=roadseg_sink max-buffers=4 sync=false"
    ' caps="video/x-raw,format=(string){' + ",".join(FORMATS) + '}"'
)
PULL_S = 0.1  # how often an end or error is looked for
CSI_SIZE = Size(1280, 720)


@dataclass(frozen=True)
class CsiOptions:
    """What csi://N? takes.

    size: of frames.
    fps: frames a second.
    flip: as nvvidconv's flip-method; 2 turns by 180 degrees.
    """

    size: Size = CSI_SIZE
    fps: int = 30
    flip: int = 0


def csi_pipeline(uri: str) -> str:
    """Return the pipeline of csi://N: a Jetson's camera connector, through the image processor.

    nvvidconv is the one that copies: from memory of the image processor into the CPU's.
    """
    match = re.fullmatch(r"csi://(\d+)(?:\?(.*))?", uri)
    if not match:
        raise UsageError(f"{uri}: a CSI camera is csi://N, such as csi://0?size=1280x720&fps=30")
    options = parse_query(f"csi:?{match[2] or ''}", CsiOptions)
    return (
        f"nvarguscamerasrc sensor-id={match[1]} ! video/x-raw(memory:NVMM),format=NV12,"
        f"width={options.size.width},height={options.size.height},framerate={options.fps}/1 ! "
        f"nvvidconv flip-method={options.flip} ! video/x-raw,format=NV12"
    )


class GStreamerSource(OpenSource):
    """Frames of a pipeline; live when GStreamer says that its source is.

    sequence: the buffers' own numbers where they count up (v4l2src gives the driver's), so that
    gaps are the sensor's drops. timestamp_ns: the buffer's time on the pipeline's clock.
    """

    def __init__(self, uri: str, timeouts: Timeouts | None = None) -> None:
        csi = uri.startswith("csi:")
        text = csi_pipeline(uri) if csi else uri.partition(":")[2]
        self._uri, self._limits, self._lib = hide_password(uri), timeouts or Timeouts(), gstreamer()
        self._cancelled = threading.Event()
        self._numbers = _Numbers()
        self._pipeline: int | None = _parse(
            self._lib, self._uri, re.sub(r"!\s*appsink\b[^!]*$", "", text)
        )
        self._sink = self._lib.gst_bin_get_by_name(self._pipeline, b"roadseg_sink")
        self._bus = self._lib.gst_element_get_bus(self._pipeline)
        self._first: MappedSample | None = None
        try:
            self._live = self._start()
            self._first = self._pull(self._limits.open_s)
            if self._first is None:
                raise SourceLost(f"{self._uri}: ended without a frame")
            self.info = self._describe(self._first.video, csi)
        except BaseException:
            self.close()
            raise

    def read(self) -> Frame | None:
        """See Source."""
        sample, self._first = self._first or self._pull(self._limits.read_s), None
        if sample is None:
            return None
        number = self._numbers.of(sample.buffer)
        if sample.buffer.mini_object.flags & CORRUPTED:
            sample.release()
            raise CorruptFrame(f"{self._uri}: frame {number} is damaged")
        taken = self._taken_ns(sample) if self._live else time.monotonic_ns()
        form = sample.format
        return Frame(sample.pixels, form, taken, number, f"{number:06d}", sample.release)

    def cancel(self) -> None:
        """See Source."""
        self._cancelled.set()

    def close(self) -> None:
        """See Source."""
        self._cancelled.set()
        if not self._pipeline:
            return
        if self._first is not None:
            self._first.release()
        self._lib.gst_element_set_state(self._pipeline, NULL)
        for thing in (self._bus, self._sink, self._pipeline):
            self._lib.gst_object_unref(thing)
        self._pipeline = None

    def _start(self) -> bool:
        """Start the pipeline; whether it is live."""
        live = self._lib.gst_element_set_state(self._pipeline, PAUSED)
        if FAILURE in (live, self._lib.gst_element_set_state(self._pipeline, PLAYING)):
            self._raise_error()
            raise SourceLost(f"{self._uri}: the pipeline does not start")
        return bool(live == NO_PREROLL)

    def _pull(self, patience_s: float) -> MappedSample | None:
        """Wait for a sample; None at the end of what is not live, or when cancelled."""
        give_up = time.monotonic() + patience_s
        while not self._cancelled.is_set():
            sample = self._lib.gst_app_sink_try_pull_sample(self._sink, round(PULL_S * 1e9))
            if sample:
                return MappedSample(self._lib, sample)
            self._raise_error()
            if self._lib.gst_app_sink_is_eos(self._sink):
                if self._live:
                    raise SourceLost(f"{self._uri}: the stream ended")
                return None
            if time.monotonic() > give_up:
                raise SourceStalled(f"{self._uri}: no frame for {patience_s:g} s")
        return None

    def _raise_error(self) -> None:
        message = self._lib.gst_bus_timed_pop_filtered(self._bus, 0, ERROR)
        if message:
            error = POINTER(GError)()
            self._lib.gst_message_parse_error(message, byref(error), None)
            self._lib.gst_mini_object_unref(message)
            raise SourceLost(f"{self._uri}: {hide_password(self._lib.message(error))}")

    def _describe(self, video: VideoInfo, csi: bool) -> SourceInfo:
        rate = video.fps[0] / video.fps[1] if video.fps[1] else 0.0
        reason = "nvvidconv copies from the image processor's memory" if csi else ""
        reason = reason or self._converted() or (self._first.copy_reason if self._first else "")
        return SourceInfo(
            self._uri, video.width, video.height, rate, None, self._live, copy_reason=reason
        )

    def _converted(self) -> str:
        """Say what videoconvert does, "" when it passes buffers through."""
        convert = self._lib.gst_bin_get_by_name(self._pipeline, b"roadseg_convert")
        given, taken = (self._pad_format(convert, pad) for pad in (b"sink", b"src"))
        self._lib.gst_object_unref(convert)
        return f"GStreamer converts {given} to {taken}" if given != taken else ""

    def _pad_format(self, element: int, name: bytes) -> str:
        pad = self._lib.gst_element_get_static_pad(element, name)
        caps = self._lib.gst_pad_get_current_caps(pad)
        structure = self._lib.gst_caps_get_structure(caps, 0)
        text = self._lib.gst_structure_get_string(structure, b"format") or b""
        form = str(text.decode())
        self._lib.gst_mini_object_unref(caps)
        self._lib.gst_object_unref(pad)
        return form

    def _taken_ns(self, sample: MappedSample) -> int:
        """Return when a sample was captured, on our clock, whatever clock the pipeline has."""
        now, since_base = time.monotonic_ns(), sample.running_time_ns
        clock = self._lib.gst_element_get_clock(self._pipeline)
        if not clock or since_base == NO_TIME:
            return now
        base = self._lib.gst_element_get_base_time(self._pipeline)
        age = self._lib.gst_clock_get_time(clock) - (base + since_base)
        self._lib.gst_object_unref(clock)
        return now - max(0, int(age))


def _parse(library: Library, uri: str, text: str) -> int:
    error = POINTER(GError)()
    text = re.sub(r"!\s*appsink\b[^!]*$", "", text) + TAIL  # ours replaces one that is there
    pipeline = library.gst_parse_launch(text.encode(), byref(error))
    told = hide_password(library.message(error))
    if told and pipeline:  # GStreamer gives what it understood, and says what it did not
        library.gst_object_unref(pipeline)
    if told or not pipeline:
        raise UsageError(f"{uri}: not a pipeline that GStreamer here can make: {told}")
    return int(pipeline)


class _Numbers:
    """A buffer's own number where these count up, else our count."""

    def __init__(self) -> None:
        self._last = -1

    def of(self, buffer: Buffer) -> int:
        """Return the number of the next buffer."""
        offset = int(buffer.offset)
        self._last = offset if self._last < offset != NO_TIME else self._last + 1
        return self._last
