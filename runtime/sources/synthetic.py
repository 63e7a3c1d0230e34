"""Roads that are rendered as they are read: a video without a file, or a camera with faults."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from roadseg.runtime.errors import CorruptFrame, UsageError, unknown
from roadseg.runtime.frame import Frame, PixelFormat, Pixels
from roadseg.runtime.options import Size
from roadseg.runtime.roads import RoadRenderer, check_seed, make_scene
from roadseg.runtime.sources.base import OpenSource, SourceInfo
from roadseg.runtime.sources.buffers import Buffers
from roadseg.runtime.sources.faults import Faults
from roadseg.runtime.sources.query import parse_query

LIVE_FRAMES = 30  # that a live source renders beforehand
SIZE = Size(960, 544)
SMALLEST, LARGEST = 16, 4096  # pixels


@dataclass(frozen=True)
class SyntheticOptions:
    """What synthetic:? takes.

    size: of frames.
    frames: until it ends; 0 for no end.
    seed: of the scene.
    fps: of the clock that the scene and a live source follow.
    format: bgr, nv12 or yuyv.
    place, weather: of the scene, drawn from the seed when not given.
    live: behave as a camera: frames come at their time, whether they are read or not.
    drop: share of frames that the sensor loses.
    corrupt: share of frames that cannot be decoded.
    lose: share of frames at which a live source goes away; it is back after `away` seconds.
    away: seconds.
    stall: share of frames at which a live source gives no more frames, and no error.
    change: share of frames at which a live source's frames get another size: half of it, or whole.
    """

    size: Size = SIZE
    frames: int = 0
    seed: int = 0
    fps: float = 30.0
    format: str = "bgr"
    place: str = ""
    weather: str = ""
    live: bool = False
    drop: float = 0.0
    corrupt: float = 0.0
    lose: float = 0.0
    away: float = 1.0
    stall: float = 0.0
    change: float = 0.0

    def __post_init__(self) -> None:
        """Check values."""
        check_size(self.size)
        check_seed(self.seed)
        if self.format not in FORMATS:
            raise unknown("format", self.format, FORMATS)
        if self.format != "bgr" and (self.size.width % 2 or self.size.height % 2):
            raise UsageError(f"{self.format} needs an even width and height, not {self.size}")
        if self.frames < 0 or not 0 < self.fps < float("inf"):
            raise UsageError("frames must not be negative, and fps must be positive")
        for name in ("drop", "corrupt", "lose", "stall", "change"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is a share from 0 to 1, not {getattr(self, name)}")
        if not self.live and (self.lose or self.stall or self.change):
            raise UsageError("lose, stall and change are faults of a camera: add live=1")
        if self.change and self.format == "nv12":
            raise UsageError("change needs the format bgr or yuyv")
        if not 0 <= self.away < float("inf"):
            raise UsageError(f"away is {self.away} seconds: it must not be negative")


def check_size(size: Size) -> None:
    """Raise UsageError for a size that roads are not rendered at."""
    if not all(SMALLEST <= side <= LARGEST for side in (size.width, size.height)):
        raise UsageError(f"roads are rendered from {SMALLEST} to {LARGEST} pixels, not at {size}")


class SyntheticSource(OpenSource):
    """A drive through a scene, the same whenever it is opened.

    A live source renders some frames beforehand and shows them to and fro, so that rendering takes
    no time from what it is a camera for.
    """

    def __init__(self, uri: str) -> None:
        options = parse_query(uri, SyntheticOptions)
        self.options, size = options, options.size
        self._faults = Faults(
            uri, options.seed, options.lose, options.stall, options.change, options.away
        )
        self._cancelled = threading.Event()
        plug = self._faults.plug
        plug.renderer = self._renderer = plug.renderer or make_renderer(options)
        self._mask = np.empty((size.height, size.width), np.uint8)
        shape, self.format, self._convert = FORMATS[options.format]
        self._buffers = Buffers(shape(size))
        self._random = np.random.default_rng([options.seed, 10])
        frames = options.frames or None
        self.info = SourceInfo(uri, size.width, size.height, options.fps, frames, options.live)
        self._numbers: Iterator[int] = iter(range(frames)) if frames else itertools.count()
        if options.live and not plug.frames:
            plug.frames = self._render_ahead()
        self._shown = plug.frames
        self._start_ns = time.monotonic_ns()

    def read(self) -> Frame | None:
        """See Source."""
        for number in self._numbers:
            taken = self._wait(number) if self.options.live else time.monotonic_ns()
            if self._faults.stalls():
                self._cancelled.wait()
                return None
            lost, corrupt = self._random.random(2)
            if lost < self.options.drop:
                continue
            if corrupt < self.options.corrupt:
                raise CorruptFrame(f"{self.info.uri}: frame {number} is corrupt, as was asked for")
            return self._frame(number, taken)
        return None

    def cancel(self) -> None:
        """See Source."""
        self._cancelled.set()

    def close(self) -> None:
        """See Source."""
        self._numbers = iter(())

    def _frame(self, number: int, taken: int) -> Frame:
        if self._shown:
            pixels = self._shown[_to_and_fro(number, len(self._shown))]
            if self._faults.changed:
                height, width = (side // 4 * 2 for side in pixels.shape[:2])
                pixels = pixels[:height, :width]
            return Frame(pixels, self.format, taken, number, f"{number:06d}")
        buffer = self._buffers.lend()
        self._render(number, buffer)
        release = self._buffers.returner(buffer)
        return Frame(buffer, self.format, taken, number, f"{number:06d}", release)

    def _render(self, number: int, buffer: Pixels) -> None:
        if self.format is PixelFormat.BGR:
            self._renderer.render(number, buffer, self._mask)
            return
        picture = np.empty((*self._mask.shape, 3), np.uint8)
        self._renderer.render(number, picture, self._mask)
        self._convert(picture, buffer)

    def _render_ahead(self) -> list[Pixels]:
        count = min(self.options.frames or LIVE_FRAMES, LIVE_FRAMES)
        shown = [np.empty(self._buffers.shape, np.uint8) for _ in range(count)]
        for number, buffer in enumerate(shown):
            self._render(number, buffer)
        return shown

    def _wait(self, number: int) -> int:
        """Wait until a frame is due; return when it was."""
        due = self._start_ns + round(number * 1e9 / self.options.fps)
        time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
        return due


def make_renderer(options: SyntheticOptions) -> RoadRenderer:
    """Return the renderer of the scene that the options tell of."""
    scene = make_scene(options.seed, options.place, options.weather)
    return RoadRenderer(scene, options.size.width, options.size.height, options.fps)


def _to_and_fro(number: int, count: int) -> int:
    """0, 1, …, count - 1, count - 2, …, 1, 0, 1, …"""
    place = number % max(2 * count - 2, 1)
    return min(place, 2 * count - 2 - place) if count > 1 else 0


def _to_nv12(picture: Pixels, out: Pixels) -> None:
    height, width = picture.shape[:2]
    planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
    out[:height] = planes[:height]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    out[height:, 0::2], out[height:, 1::2] = chroma


def _to_yuyv(picture: Pixels, out: Pixels) -> None:
    cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_YUY2, out)


def _to_bgr(picture: Pixels, out: Pixels) -> None:
    out[:] = picture


Shape = Callable[[Size], tuple[int, ...]]
Convert = Callable[[Pixels, Pixels], None]

FORMATS: dict[str, tuple[Shape, PixelFormat, Convert]] = {
    "bgr": (lambda size: (size.height, size.width, 3), PixelFormat.BGR, _to_bgr),
    "nv12": (lambda size: (size.height * 3 // 2, size.width), PixelFormat.NV12, _to_nv12),
    "yuyv": (lambda size: (size.height, size.width, 2), PixelFormat.YUYV, _to_yuyv),
}
