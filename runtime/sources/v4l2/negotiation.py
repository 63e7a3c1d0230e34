"""The format, size and rate nearest to what was asked for, of those that a camera has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from roadseg.runtime._v4l2 import Device, Layout
from roadseg.runtime.errors import SourceError
from roadseg.runtime.frame import STACKED, PixelFormat
from roadseg.runtime.options import Size
from roadseg.runtime.sources.v4l2.options import SIZE, V4l2Options, format_name

# Those that we read, the ones that cost least memory traffic first; None has to be decoded.
PIXEL_FORMATS: dict[str, PixelFormat | None] = {
    "NV12": PixelFormat.NV12,
    "NM12": PixelFormat.NV12M,
    "NV21": PixelFormat.NV21,
    "YU12": PixelFormat.YU12,
    "YUYV": PixelFormat.YUYV,
    "UYVY": PixelFormat.UYVY,
    "BGR3": PixelFormat.BGR,
    "RGB3": PixelFormat.RGB,
    "MJPG": None,
    "JPEG": None,
    "GREY": PixelFormat.GREY,
}
ORDER = list(PIXEL_FORMATS)


@dataclass(frozen=True)
class Mode:
    """One thing a camera can do; interval in seconds, None when the driver has no rates."""

    fourcc: str
    size: Size
    interval: Fraction | None

    @property
    def fps(self) -> float:
        """Frames a second, 0.0 when not known."""
        return float(1 / self.interval) if self.interval else 0.0

    def __str__(self) -> str:
        rate = f" at {self.fps:g} FPS" if self.interval else ""
        return f"{format_name(self.fourcc)} {self.size}{rate}"


def negotiate(device: Device, options: V4l2Options) -> tuple[Mode, Layout]:
    """Set the nearest mode; return what the driver answered, which may be another still.

    Raises SourceError when the camera has no format that we read, OSError when the driver fails.
    """
    wanted = choose(options, modes(device, options))
    layout = device.set_format(wanted.fourcc, wanted.size.width, wanted.size.height)
    check(layout)
    interval = wanted.interval or Fraction(1 / options.fps).limit_denominator(1001)
    numerator, denominator = device.set_interval(interval.numerator, interval.denominator)
    given = Fraction(numerator, denominator) if numerator and denominator else None
    return Mode(layout.fourcc, Size(layout.width, layout.height), given), layout


def choose(options: V4l2Options, offered: list[Mode]) -> Mode:
    """Return the mode nearest to the options: format, then colours, size, rate, no copy.

    A size that nobody asked for is not worth a lower rate.
    """
    if not offered:
        raise SourceError(f"the camera gives none of {', '.join(map(format_name, ORDER))}")

    def distance(mode: Mode) -> tuple[float, ...]:
        near, size = options.size or SIZE, mode.size
        too_slow = round(max(0.0, options.fps - mode.fps), 1) if mode.interval else 0
        return (
            bool(options.fourcc) and mode.fourcc != options.fourcc,
            mode.fourcc == "GREY",
            0 if options.size else too_slow,
            abs(size.width - near.width) + abs(size.height - near.height),
            round(abs(mode.fps - options.fps), 1) if mode.interval else 0,
            ORDER.index(mode.fourcc),
        )

    return min(offered, key=distance)


def missing(options: V4l2Options, mode: Mode) -> str:
    """Return what was asked for and is not in a mode, in words."""
    words = []
    if options.fourcc not in ("", mode.fourcc):
        words.append(options.format.upper())
    if options.size not in (None, mode.size):
        words.append(str(options.size))
    if mode.interval and abs(mode.fps - options.fps) > 0.05:
        words.append(f"{options.fps:g} FPS")
    return ", ".join(words)


def modes(device: Device, near: V4l2Options) -> list[Mode]:
    """List what a camera offers in formats that we read; of ranges, what is nearest."""
    return list(_modes(device, near))


def _modes(device: Device, near: V4l2Options) -> Iterator[Mode]:
    for one in device.formats():
        if one.fourcc not in PIXEL_FORMATS:
            continue
        for size in _sizes(device, one.fourcc, near.size or SIZE):
            intervals = device.intervals(one.fourcc, size.width, size.height)
            if not intervals:
                yield Mode(one.fourcc, size, None)
            for short_n, short_d, long_n, long_d in intervals:
                asked = Fraction(1 / near.fps).limit_denominator(1001)
                interval = min(max(asked, Fraction(short_n, short_d)), Fraction(long_n, long_d))
                yield Mode(one.fourcc, size, interval)


def _sizes(device: Device, fourcc: str, near: Size) -> list[Size]:
    ranges = device.sizes(fourcc)
    if not ranges:  # the driver does not say, and answers when it is asked for one
        return [near]
    return [Size(_within(near.width, *one[:3]), _within(near.height, *one[3:])) for one in ranges]


def _within(value: int, low: int, high: int, step: int) -> int:
    """Return the value of a stepped range that is nearest."""
    steps = round((min(max(value, low), high) - low) / max(step, 1))
    return min(low + steps * max(step, 1), high)


def check(layout: Layout) -> None:
    """Raise SourceError for frames that cannot be read."""
    name = format_name(layout.fourcc)
    if layout.fourcc not in PIXEL_FORMATS:
        raise SourceError(f"the camera gives {name} pixels, which cannot be read")
    if not layout.whole:
        raise SourceError("the camera gives the two fields of a picture one after the other")
    pixel_format = PIXEL_FORMATS[layout.fourcc]
    pairs = {PixelFormat.NV12M, PixelFormat.YUYV, PixelFormat.UYVY} | STACKED
    if pixel_format in pairs and (layout.width % 2 or layout.height % 2):
        raise SourceError(f"the camera gives {name} of an odd size: {layout.width}x{layout.height}")
