"""Pictures and videos whose masks are known: areas of red, green and blue."""

from __future__ import annotations

import importlib.util
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from roadseg.runtime import _native
from roadseg.runtime.engines import open_engine
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.monitor import Monitor
from roadseg.runtime.pipeline import Pipeline
from roadseg.runtime.postprocess import open_stages
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.sinks import FanOut
from roadseg.runtime.sinks.web import WebSink
from roadseg.runtime.sources.base import OpenSource, SourceInfo
from roadseg.runtime.web import Address

Pixels = NDArray[np.uint8]


@pytest.fixture(params=_native.isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each of the instruction sets that kernels have here."""
    before = _native.isa()
    _native.use_isa(request.param)
    yield request.param
    _native.use_isa(before)


def striped(width: int = 96, height: int = 64, shift: int = 0) -> tuple[Pixels, Pixels]:
    """Return a BGR picture of three broad stripes, and its mask (red 0, green 1, blue 2)."""
    columns = (np.arange(width) * 3 // width + shift) % 3
    mask = np.tile(columns.astype(np.uint8), (height, 1))
    rgb = np.array([[230, 20, 20], [20, 230, 20], [20, 20, 230]], np.uint8)
    return np.ascontiguousarray(rgb[mask][..., ::-1]), mask


def write_video(path: Path, frames: int = 12, size: tuple[int, int] = (96, 64)) -> Path:
    """Write a video of stripes that move on by one with each frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, size)
    for number in range(frames):
        writer.write(striped(*size, shift=number)[0])
    writer.release()
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video of 12 frames, 96x64."""
    return write_video(tmp_path / "stripes.mp4")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of three images of different sizes."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, size in enumerate([(96, 64), (97, 65), (130, 50)]):
        cv2.imwrite(str(folder / f"road{number}.png"), striped(*size, shift=number)[0])
    return folder


class StripedCamera(OpenSource):
    """A live source of stripes that do not move, 50 a second, until it is closed."""

    state = "live"

    def __init__(self, width: int = 96, height: int = 64, noise: bool = False) -> None:
        self.info = SourceInfo("rtsp://me:secret@camera/1", width, height, 50.0, None, live=True)
        self._pixels = striped(width, height)[0]
        if noise:  # large files
            self._pixels = np.random.default_rng(0).integers(0, 255, self._pixels.shape, np.uint8)
        self._next, self._closed = 0, threading.Event()

    def read(self) -> Frame | None:
        """See Source."""
        if self._closed.wait(0.02):
            return None
        number, self._next = self._next, self._next + 1
        return Frame(self._pixels, PixelFormat.BGR, time.monotonic_ns(), number, f"{number:06d}")

    def close(self) -> None:
        """See Source."""
        self._closed.set()


class ServedRun:
    """A run with a page, as seg-run makes it, in a thread."""

    def __init__(
        self, model: Path, source: StripedCamera, address: Address, post: Sequence[str] = ()
    ) -> None:
        self.source = source
        engine = open_engine(model, "onnxruntime")
        self.pipeline = Pipeline(source, Segmenter(engine, open_stages(post, engine.spec.classes)))
        self.monitor = Monitor(self.pipeline)
        self.sink = WebSink(address, self.monitor, alpha=0.5)
        self.sinks = FanOut([self.sink], live=True)
        self.monitor.tallies = self.sinks.tallies
        self.port = self.sink.server.server_address[1]
        self.url = self.sink.server.url
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for result in self.pipeline.results():
            self.sinks.write(result)
            self.monitor.note(result)

    def end_source(self) -> None:
        """Let the camera end; the page stays."""
        self.source.close()
        self._thread.join()

    def close(self) -> None:
        """End the run and its page."""
        self.end_source()
        self.sinks.close()


@pytest.fixture
def serve(model: Path) -> Iterator[Callable[..., ServedRun]]:
    """Start a run with a page; `token` is asked for, `noise` makes pictures large."""
    runs: list[ServedRun] = []

    def start(
        token: str = "",
        width: int = 96,
        height: int = 64,
        noise: bool = False,
        post: Sequence[str] = (),
    ) -> ServedRun:
        camera = StripedCamera(width, height, noise)
        runs.append(ServedRun(model, camera, Address("127.0.0.1", 0, token), post))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


def _beside(name: str) -> ModuleType:
    """Load a module of this folder, which is no package."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def mjpeg_camera() -> Iterator[Any]:
    """A camera over HTTP that shows stripes, 96x64; see stream_servers.MjpegCamera."""
    pytest.importorskip("av", reason="PyAV is not installed")
    camera = _beside("stream_servers").MjpegCamera(striped()[0])
    yield camera
    camera.stop()


@pytest.fixture
def udp_camera() -> Iterator[Any]:
    """A sender of MPEG-TS that shows stripes, 96x64; see stream_servers.UdpCamera."""
    pytest.importorskip("av", reason="PyAV is not installed")
    camera = _beside("stream_servers").UdpCamera(striped()[0])
    yield camera
    camera.stop()


@pytest.fixture
def rtsp_cameras() -> Iterator[Callable[[str], Any]]:
    """Make an RTSP camera, 320x176, of codec h264 or mjpeg; see stream_servers.RtspCamera."""
    pytest.importorskip("av", reason="PyAV is not installed")
    servers = _beside("stream_servers")
    if missing := servers.rtsp_missing():
        pytest.skip(missing)
    made = []

    def make(codec: str) -> Any:
        made.append(servers.RtspCamera(codec))
        return made[-1]

    yield make
    for camera in made:
        camera.stop()


@pytest.fixture(params=["h264", "mjpeg"])
def rtsp_camera(request: pytest.FixtureRequest, rtsp_cameras: Callable[[str], Any]) -> Any:
    """An RTSP camera, once of each codec."""
    return rtsp_cameras(request.param)


@pytest.fixture(scope="session")
def gstreamer() -> None:
    """Skip where GStreamer's library or its test source is missing."""
    from roadseg.runtime.errors import UsageError
    from roadseg.runtime.sources import open_source

    try:
        open_source("gst:videotestsrc num-buffers=1").close()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Files cannot grow beyond 20 kB: what a full disk does, for this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def make_manager() -> Iterator[Callable[[str], Any]]:
    """Make the end of a notification socket at a path; see service_manager.Manager."""
    made = []

    def make(path: str) -> Any:
        made.append(_beside("service_manager").Manager(path))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


@pytest.fixture
def manager(make_manager: Callable[[str], Any], tmp_path: Path) -> Any:
    """A service manager that listens."""
    return make_manager(str(tmp_path / "notify"))
