"""One contract over all sources that are here, and the inputs that are refused."""

from __future__ import annotations

import itertools
import os
import re
import struct
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.runtime.errors import CorruptFrame, DataError, RoadsegError, SourceError, UsageError
from roadseg.runtime.frame import Frame
from roadseg.runtime.sources import Source, Timeouts, open_source
from roadseg.runtime.sources.v4l2.options import V4l2Options

EVERY = ["video", "images", "image", "bgr", "nv12", "yuyv", "live", "gst", "gst-nv12"]
STREAMS = ["gst-live", "mjpeg", "udp", "rtsp"]  # without an end of their own
if os.environ.get("RUN_IN_VM"):  # see tests/camera_vm: there are cameras
    EVERY += ["camera", "usb-camera"]
ENOUGH = 6  # frames of a source without an end; fewer than a camera has buffers


@pytest.fixture(params=EVERY)
def uri(request: pytest.FixtureRequest, video: Path, images: Path) -> str:
    if request.param.startswith("gst"):
        request.getfixturevalue("gstreamer")
    return {
        "video": str(video),
        "images": str(images),
        "image": str(images / "road1.png"),
        "bgr": "synthetic:?size=96x64&frames=3",
        "nv12": "synthetic:?size=96x64&frames=3&format=nv12",
        "yuyv": "synthetic:?size=96x64&frames=3&format=yuyv",
        "live": "synthetic:?size=96x64&frames=3&live=1&fps=100",
        "gst": "gst:videotestsrc num-buffers=3 ! video/x-raw,width=96,height=64,format=BGR",
        "gst-nv12": "gst:videotestsrc num-buffers=3 ! video/x-raw,width=98,height=64,format=NV12",
        "camera": "camera:0?size=320x180&fps=30&open_timeout=60&timeout=30",
        "usb-camera": "camera:Soft_Camera?size=640x360&format=MJPG&open_timeout=60&timeout=30",
    }[request.param]


@pytest.fixture(params=STREAMS)
def stream(request: pytest.FixtureRequest) -> str:
    if request.param == "gst-live":
        request.getfixturevalue("gstreamer")
        return "gst:videotestsrc is-live=true ! video/x-raw,width=96,height=64,framerate=50/1"
    if request.param == "rtsp":
        return str(request.getfixturevalue("rtsp_cameras")("h264").url)
    return str(request.getfixturevalue(f"{request.param}_camera").url)


def read_all(uri: str) -> list[Frame]:
    with open_source(uri) as source:
        return read_some(source)


def read_some(source: Source) -> list[Frame]:
    """All frames, or as many as are enough."""
    endless = source.info.frames is None
    return list(itertools.islice(iter(source.read, None), ENOUGH if endless else None))


def test_frames_come_in_order_until_the_end(uri: str) -> None:
    with open_source(uri) as source:
        frames = read_some(source)
        numbers = [frame.sequence for frame in frames]
        if len(frames) == ENOUGH:  # it has no end
            assert numbers == sorted(set(numbers))
        else:
            assert source.read() is None
            assert numbers == list(range(len(frames)))
            assert source.info.frames in (None, len(frames))
        assert len({frame.name for frame in frames}) == len(frames)
        assert all(a.timestamp_ns < b.timestamp_ns for a, b in itertools.pairwise(frames))
        for frame in frames:
            assert frame.pixels.dtype == np.uint8
            assert frame.pixels.strides[-1] == 1
        if source.info.width:
            assert {(f.width, f.height) for f in frames} == {
                (source.info.width, source.info.height)
            }
    source.close()
    assert source.read() is None


def test_a_stream_gives_frames_in_order(stream: str) -> None:
    with open_source(stream) as source:
        info = source.info
        assert info.live and info.frames is None
        frames = [frame for _ in range(4) if (frame := source.read()) is not None]
        assert len(frames) == len({frame.name for frame in frames}) == 4
        for one, two in itertools.pairwise(frames):
            assert one.sequence < two.sequence
            assert one.timestamp_ns < two.timestamp_ns
        assert {(frame.width, frame.height) for frame in frames} == {(info.width, info.height)}
        assert all(frame.pixels.dtype == np.uint8 for frame in frames)
        assert all(frame.pixels.strides[-1] == 1 for frame in frames)
        held, before = frames[0].pixels, frames[0].pixels.copy()
        for _ in range(4):
            source.read()
        np.testing.assert_array_equal(held, before)
    source.close()


def test_a_held_frame_is_not_written_over(uri: str) -> None:
    with open_source(uri) as source:
        first = source.read()
        assert first is not None
        before = first.pixels.copy()
        read_some(source)
    np.testing.assert_array_equal(first.pixels, before)


def test_a_read_ends_when_it_is_cancelled(uri: str) -> None:
    with open_source(uri) as source:
        source.cancel()
        if source.info.live and source.info.frames is None:
            assert source.read() is None


def test_copies_have_a_reason(uri: str) -> None:
    with open_source(uri) as source:
        assert ("decoded" in source.info.copy_reason) == ("MJPG" in uri)


def test_released_buffers_are_used_again(video: Path) -> None:
    with open_source(str(video)) as source:
        places = set()
        while (frame := source.read()) is not None:
            places.add(frame.pixels.ctypes.data)
            frame.release()
    assert len(places) == 1


def test_images_keep_their_own_sizes_and_names(images: Path) -> None:
    frames = read_all(str(images))
    assert [(f.name, f.width, f.height) for f in frames] == [
        ("road0", 96, 64),
        ("road1", 97, 65),
        ("road2", 130, 50),
    ]


def test_a_damaged_image_is_named_and_the_rest_is_read(images: Path) -> None:
    damaged = images / "road1.png"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with open_source(str(images)) as source:
        first = source.read()
        assert first is not None
        with pytest.raises(CorruptFrame, match=r"road1\.png.*cut short"):
            source.read()
        third = source.read()
        assert third is not None and third.name == "road2"
        assert source.read() is None


def jpeg() -> bytes:
    return cv2.imencode(".jpg", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()


def with_thumbnail(whole: bytes) -> bytes:
    """Put a JPEG with more than 4 kB behind it into a JPEG's header."""
    inner = b"Exif" + whole + bytes(6000) + b"end"
    return whole[:2] + b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner + whole[2:]


@pytest.mark.parametrize("progressive", [0, 1])
def test_a_jpeg_with_a_video_behind_it(tmp_path: Path, progressive: int) -> None:
    """Motion photos of phones are both."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    whole = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1].tobytes()
    path = tmp_path / "road.jpg"
    path.write_bytes(with_thumbnail(whole) + b"video" * 4000)
    (frame,) = read_all(str(path))
    assert frame.pixels.shape == (40, 60, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (jpeg()[:-30], "cut short"),
        (jpeg()[:30] + b"\xff\xd9", "not an image"),
        (with_thumbnail(jpeg())[:-30], "cut short"),
        (b"some text", "not an image"),
    ],
)
def test_bad_images(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "road.jpg"
    path.write_bytes(content)
    with pytest.raises(CorruptFrame, match=rf"{re.escape(str(path))}.*{message}"):
        read_all(str(path))


def test_a_video_that_is_cut_short(video: Path, tmp_path: Path) -> None:
    whole = video.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.mp4.*cut short"):
        open_source(str(cut))


@pytest.mark.parametrize(("cos", "sin"), [(0, 1), (-1, 0), (0, -1)])
def test_a_video_that_is_turned(video: Path, tmp_path: Path, cos: int, sin: int) -> None:
    """Phones write the picture as their sensor has it, and how to turn it."""
    content = bytearray(video.read_bytes())
    at = content.index(b"tkhd") + 44  # the matrix, of 16.16 fixed point
    content[at : at + 20] = struct.pack(">5i", *(n << 16 for n in (cos, sin, 0, -sin, cos)))
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(content)
    upright, frames = read_all(str(video)), read_all(str(turned))
    assert len(frames) == len(upright)
    quarters = {(0, 1): 3, (-1, 0): 2, (0, -1): 1}[cos, sin]
    for frame, whole in zip(frames, upright, strict=True):
        np.testing.assert_array_equal(frame.pixels, np.rot90(whole.pixels, quarters))


@pytest.mark.parametrize("whole", [True, False])
def test_a_video_whose_rate_changes(tmp_path: Path, whole: bool) -> None:
    """Matroska has no count of frames: OpenCV's is of the first seconds' rate."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    path = tmp_path / "road.mkv"
    times = [*range(0, 2000, 33), *range(2000, 12000, 250)]  # ms: 30 FPS, then 4
    with av.open(str(path), "w") as file:
        coder = file.add_stream("mpeg4", rate=30, width=96, height=64)
        coder.codec_context.time_base = Fraction(1, 1000)
        for time_ms in times:
            picture = av.VideoFrame(96, 64, "yuv420p")
            picture.pts, picture.time_base = time_ms, Fraction(1, 1000)
            file.mux(coder.encode(picture))
        file.mux(coder.encode())
    if whole:
        assert len(read_all(str(path))) == len(times)
        return
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 4 // 5])
    with pytest.raises(CorruptFrame, match="cut short or damaged, ends after"):
        read_all(str(path))


def test_a_video_named_by_a_time(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg takes what stands before a colon for a protocol."""
    monkeypatch.chdir(tmp_path)
    video.rename("10:30.mp4")
    assert len(read_all("10:30.mp4")) == 12


def test_a_video_that_ends_early(tmp_path: Path) -> None:
    # AVI has its index at the end and its frame count in front: OpenCV reads what is there.
    whole = tmp_path / "whole.avi"
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (96, 64))
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, 96, 3), np.uint8)
    for picture in noise:
        writer.write(picture)
    writer.release()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(CorruptFrame, match="cut short or damaged, ends after"):
        read_all(str(cut))


@pytest.mark.parametrize(
    ("uri", "error", "message"),
    [
        ("nowhere.mp4", DataError, "no such file or folder"),
        ("camera:9999", SourceError, r"no camera /dev/video9999 \(cameras here"),
        ("v4l2:///dev/nothing", SourceError, "no camera /dev/nothing"),
        ("ftp://127.0.0.1/stream", UsageError, "unknown kind of source 'ftp'"),
        ("camera:front", SourceError, r"no camera 'front' \(cameras here"),
        ("camera:", UsageError, "camera:N, camera:NAME"),
        ("v4l2:0", UsageError, "camera:N, camera:NAME"),
        ("camera:0?colour=red", UsageError, "colour"),
        ("camera:0?size=large", UsageError, "'size' is 'large', which is not WIDTHxHEIGHT"),
        ("camera:0?format=JPG2", UsageError, "unknown format 'JPG2'"),
        ("camera:0?mode=dma", UsageError, "unknown mode 'dma'"),
        ("camera:0?buffers=1", UsageError, "2 to 32"),
        ("camera:0?timeout=0", UsageError, "timeout is 0.0: it must be positive"),
        ("v4l2:///dev/null", SourceError, "/dev/null is no camera"),
        ("/dev/null", DataError, "/dev/null is a device: a camera is given by --camera /dev/null"),
        ("synthetic:?colour=red", UsageError, "colour"),
    ],
)
def test_what_is_not_there(uri: str, error: type[RoadsegError], message: str) -> None:
    with pytest.raises(error, match=message):
        open_source(uri)


@pytest.mark.parametrize(
    ("query", "timeout", "open_timeout"),
    [("", 30.0, 1e4), ("?timeout=1", 1.0, 1e4), ("?fps=5&open_timeout=2", 30.0, 2.0)],
)
def test_a_camera_is_waited_for_as_the_run_says(
    monkeypatch: pytest.MonkeyPatch, query: str, timeout: float, open_timeout: float
) -> None:
    def open_camera(node: str, options: V4l2Options) -> Source:
        assert (options.timeout, options.open_timeout) == (timeout, open_timeout)
        raise SourceError("opened")

    monkeypatch.setattr("roadseg.runtime.sources.v4l2.source.open_camera", open_camera)
    with pytest.raises(SourceError, match="opened"):
        open_source(f"v4l2:///dev/video0{query}", Timeouts(open_s=1e4, read_s=30.0))


def test_bad_folders_and_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images in this folder"):
        open_source(str(tmp_path))
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        open_source(str(tmp_path / "clip.mp4"))
    (tmp_path / "clip.mp4").write_bytes(b"no video" * 100)
    with pytest.raises(DataError, match="not a video"):
        open_source(str(tmp_path / "clip.mp4"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe is a pipe or the like, not a file; a source is"):
        open_source(str(tmp_path / "pipe"))
    for name in ("a.png", "a.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    with pytest.raises(DataError, match="have one name"):
        open_source(str(tmp_path))


def test_real_clips_are_read_to_the_end(data_root: Path) -> None:
    with open_source(str(data_root / "videos" / "solidWhiteRight.mp4")) as source:
        count = 0
        while (frame := source.read()) is not None:
            count += 1
            frame.release()
    assert count == 221 == source.info.frames
