"""GStreamer pipelines: views of their buffers, their numbers and times; what is refused."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import numpy as np
import pytest

from roadseg.runtime.errors import RoadsegError, SourceLost, SourceStalled, UsageError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.ledger import Ledger
from roadseg.runtime.preprocess import preprocess
from roadseg.runtime.sources import Timeouts, open_source
from roadseg.runtime.sources.gstreamer import csi_pipeline
from roadseg.runtime.sources.reconnecting import open_reconnecting
from roadseg.runtime.sources.survival import Survival

pytestmark = pytest.mark.usefixtures("gstreamer")

SIZE = "width=98,height=62"  # rows are padded
RED = "videotestsrc num-buffers=3 pattern=solid-color foreground-color=0xffe61414"


def rgb_of(frame: Frame) -> list[int]:
    pixels = preprocess(frame, np.empty((frame.height, frame.width, 3), np.uint8))
    return [int(value) for value in pixels[30, 40]]


@pytest.mark.parametrize(
    ("form", "taken", "reason"),
    [
        ("NV12", PixelFormat.NV12, ""),
        ("YUY2", PixelFormat.YUYV, ""),
        ("BGR", PixelFormat.BGR, ""),
        ("RGB", PixelFormat.RGB, ""),
        ("I420", PixelFormat.NV12, "GStreamer converts I420 to NV12"),
    ],
)
def test_pixels_are_right_in_each_format(form: str, taken: PixelFormat, reason: str) -> None:
    uri = f"gst:{RED} ! video/x-raw,format={form},{SIZE},colorimetry=bt601"
    if taken in (PixelFormat.BGR, PixelFormat.RGB):
        uri = uri.replace(",colorimetry=bt601", "")
    with open_source(uri) as source:
        assert (source.info.width, source.info.height) == (98, 62)
        assert source.info.copy_reason == reason
        frame = source.read()
        assert frame is not None and frame.format is taken
        assert frame.pixels.strides[0] % 4 == 0
        assert np.abs(np.array(rgb_of(frame)) - (230, 20, 20)).max() <= 6


def test_pixels_live_as_long_as_they_are_held() -> None:
    uri = f"gst:videotestsrc num-buffers=40 pattern=snow ! video/x-raw,format=RGB,{SIZE}"
    with open_source(uri) as source:
        pixels = source.read().pixels  # type: ignore[union-attr]
        before = pixels.copy()
        gc.collect()
        while (frame := source.read()) is not None:
            frame.release()  # these buffers are filled again
    gc.collect()
    np.testing.assert_array_equal(pixels, before)


def test_gaps_in_the_buffers_numbers_are_kept() -> None:
    # identity drops buffers as a sensor would, and those that come keep their numbers.
    uri = "gst:videotestsrc num-buffers=40 ! identity drop-probability=0.5 ! video/x-raw,width=64"
    with open_source(uri + ",height=32,format=BGR") as source:
        numbers = [frame.sequence for frame in iter(source.read, None)]
    assert numbers == sorted(set(numbers))
    assert 0 < len(numbers) < numbers[-1] - numbers[0] + 1


def test_a_live_pipelines_clock_is_ours() -> None:
    opened = time.monotonic_ns()
    uri = "gst:videotestsrc is-live=true ! video/x-raw,width=64,height=32,framerate=20/1,format=BGR"
    with open_source(uri) as source:
        frames = [frame for _ in range(6) if (frame := source.read()) is not None]
        assert source.info.live and source.info.fps == 20.0
    times = [frame.timestamp_ns for frame in frames]
    assert opened < times[0] < times[-1] <= time.monotonic_ns()
    assert times[-1] - times[0] == pytest.approx(5 * 50e6, rel=0.05)  # by the source's clock


def test_an_end_of_what_is_live_is_a_loss() -> None:
    uri = "gst:videotestsrc is-live=true num-buffers=3 ! video/x-raw,width=64,height=32"
    with open_source(uri) as source:
        with pytest.raises(SourceLost, match="the stream ended"):
            while True:
                source.read()
        source.close()
        assert source.read() is None


def test_it_comes_back() -> None:
    ledger = Ledger()
    survival = Survival(open_s=20.0, first_delay_s=0.01, longest_delay_s=0.1, seed=0)
    uri = "gst:videotestsrc is-live=true num-buffers=3 ! video/x-raw,width=64,height=32"
    with open_reconnecting(uri, survival, ledger.outages) as source:
        numbers = [frame.sequence for _ in range(8) if (frame := source.read()) is not None]
    assert numbers == list(range(8))
    assert ledger.outages.count == 2


def test_a_stall_is_seen() -> None:
    uri = "gst:videotestsrc is-live=true ! video/x-raw,width=64,height=32,framerate=1/60"
    with open_source(uri, Timeouts(20.0, 0.3)) as source:
        source.read()
        with pytest.raises(SourceStalled, match=r"no frame for 0\.3 s"):
            source.read()


def test_an_appsink_of_the_users_is_replaced() -> None:
    with open_source(
        f"gst:{RED} ! video/x-raw,format=BGR,{SIZE} ! appsink drop=1 name=a"
    ) as source:
        assert len(list(iter(source.read, None))) == 3


@pytest.mark.parametrize(
    ("uri", "error", "message"),
    [
        ("gst:", UsageError, "not a pipeline"),
        ("gst:nonsense ! x", UsageError, 'no element "nonsense"'),
        ("gst:videotestsrc num-buffers=0", SourceLost, "ended without a frame"),
        ("gst:filesrc location=/nowhere.bin", SourceLost, "not found"),
        ("gst:nonsense location=rtsp://u:secret@h/cam", UsageError, r"=rtsp://\*\*\*@h/cam: "),
        ("gst:nonsense user-pw=secret ! x", UsageError, r"user-pw=\*\*\* ! x: "),
        ('gst:nonsense user-pw="a secret" ! x', UsageError, r"user-pw=\*\*\* ! x: "),
        ("csi:0", UsageError, "a CSI camera is csi://N"),
        ("csi://0?colour=red", UsageError, "colour"),
        ("csi://0", UsageError, "nvarguscamerasrc"),
    ],
)
def test_what_cannot_be_opened(uri: str, error: type[RoadsegError], message: str) -> None:
    if uri == "csi://0" and Path("/etc/nv_tegra_release").exists():
        pytest.skip("this is a Jetson")
    with pytest.raises(error, match=message) as raised:
        open_source(uri)
    assert "secret" not in str(raised.value)


def test_the_pipeline_of_a_csi_camera() -> None:
    text = csi_pipeline("csi://1?size=1920x1080&fps=60&flip=2")
    assert text.startswith("nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM)")
    assert "width=1920,height=1080,framerate=60/1" in text
    assert text.endswith("nvvidconv flip-method=2 ! video/x-raw,format=NV12")
