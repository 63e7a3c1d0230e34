"""Streams over loopback: pixels, faults, and what cannot be opened."""

from __future__ import annotations

import contextlib
import functools
import http.server
import io
import itertools
import socket
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stream_frames import check_stripes, next_whole, rgb

from roadseg.runtime.cli import main
from roadseg.runtime.errors import (
    CorruptFrame,
    MissingExtra,
    RoadsegError,
    SourceLost,
    SourceStalled,
    UsageError,
)
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.sources import Timeouts, open_source
from roadseg.runtime.sources.query import hide_password
from roadseg.runtime.sources.reconnecting import open_reconnecting
from roadseg.runtime.sources.survival import Survival

LIMITS = Timeouts(open_s=20.0, read_s=2.0)


def test_jpegs_keep_their_full_range(mjpeg_camera: Any) -> None:
    with open_source(mjpeg_camera.url, LIMITS) as source:
        assert source.info.live
        assert source.info.copy_reason.endswith("is converted to BGR")
        frame = next_whole(source)
        assert frame.format is PixelFormat.BGR
        check_stripes(frame)


def test_planes_become_nv12(udp_camera: Any) -> None:
    with open_source(udp_camera.url, LIMITS) as source:
        assert (source.info.width, source.info.height) == (96, 64)
        assert "yuv420p planes lie apart" in source.info.copy_reason
        frame = next_whole(source)
        assert frame.format is PixelFormat.NV12
        check_stripes(frame)


def test_a_packed_frame_is_a_view(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    from av.video.reformatter import VideoReformatter

    from roadseg.runtime.sources.decoded import DecodedPixels, copy_reason

    picture = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    for name, form in (("bgr24", PixelFormat.BGR), ("rgb24", PixelFormat.RGB)):
        decoded = av.VideoFrame.from_ndarray(picture, format=name)
        pixels, taken, _ = DecodedPixels(VideoReformatter()).take(decoded)
        np.testing.assert_array_equal(pixels, picture)
        assert taken is form
        assert pixels.ctypes.data == decoded.planes[0].buffer_ptr
        assert copy_reason(decoded) == ""


@pytest.mark.parametrize(
    ("matrix", "full", "taken"),
    [("ITU601", False, "NV12"), ("ITU709", False, "BGR"), ("ITU601", True, "BGR")],
)
def test_the_streams_own_matrix_and_range_are_used(matrix: str, full: bool, taken: str) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

    from roadseg.runtime.sources.decoded import DecodedPixels

    picture = np.tile(np.array([20, 20, 230], np.uint8), (64, 96, 1))  # red, as BGR
    coded = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(
        format="yuv420p",
        dst_colorspace=Colorspace[matrix],
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
    )
    coded.colorspace = {"ITU601": 6, "ITU709": 1}[matrix]
    coded.color_range = 2 if full else 1
    pixels, form, _ = DecodedPixels(VideoReformatter()).take(coded)
    assert form.value == taken
    seen = rgb(Frame(pixels, form, 0, 0))[32, 48].astype(int)
    assert np.abs(seen - (230, 20, 20)).max() <= 6, seen


def test_who_joins_in_the_middle_sees_no_grey(udp_camera: Any) -> None:
    for _ in range(4):
        with open_source(udp_camera.url, LIMITS) as source:
            check_stripes(next_whole(source))


def test_rtsp_gives_frames_in_order(rtsp_camera: Any) -> None:
    with open_source(rtsp_camera.url, LIMITS) as source:
        assert (source.info.width, source.info.height, source.info.live) == (320, 176, True)
        frames = [next_whole(source) for _ in range(5)]
    for one, two in itertools.pairwise(frames):
        assert one.sequence < two.sequence
        assert one.timestamp_ns < two.timestamp_ns
    assert rgb(frames[-1]).max() > 200  # the ball
    assert np.median(rgb(frames[-1])) < 20  # on black


def test_a_stream_that_ends_is_lost(mjpeg_camera: Any) -> None:
    mjpeg_camera.frames = 5
    with (
        open_source(mjpeg_camera.url, LIMITS) as source,
        pytest.raises(SourceLost, match="the stream ended"),
    ):
        for _ in range(50):
            next_whole(source).release()


def test_a_stream_that_freezes_is_stalled(mjpeg_camera: Any) -> None:
    with open_source(mjpeg_camera.url, Timeouts(20.0, 0.5)) as source:
        next_whole(source)
        mjpeg_camera.frozen.set()
        with pytest.raises(SourceStalled, match="no data came in time"):
            while True:
                next_whole(source)


def test_an_rtsp_server_that_is_killed_or_frozen(rtsp_camera: Any) -> None:
    with open_source(rtsp_camera.url, LIMITS) as source:
        next_whole(source)
        rtsp_camera.freeze()
        with pytest.raises(SourceStalled):
            while True:
                next_whole(source)
    rtsp_camera.stop()
    rtsp_camera.start()
    with open_source(rtsp_camera.url, LIMITS) as source:
        next_whole(source)
        rtsp_camera.stop()
        with pytest.raises(SourceLost):
            while True:
                next_whole(source)


def test_damaged_pictures_are_corrupt_and_the_rest_is_whole(mjpeg_camera: Any) -> None:
    mjpeg_camera.cut, mjpeg_camera.rubbish, mjpeg_camera.frames = {4, 9}, {6}, 12
    whole, damaged = [], 0
    with open_source(mjpeg_camera.url, LIMITS) as source:
        while True:
            try:
                frame = source.read()
            except CorruptFrame as error:
                assert "cannot be decoded" in str(error)
                damaged += 1
            except SourceLost:
                break
            else:
                assert frame is not None
                check_stripes(frame)
                whole.append(frame.sequence)
    assert damaged == 3
    assert len(whole) >= 7
    assert len(whole) + damaged == whole[-1] + 1  # a damaged picture has a number too


@pytest.fixture
def recording(video: Path) -> Iterator[str]:
    """A video file on a web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(video.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{video.name}"
        server.shutdown()


def test_a_recording_on_a_web_server_has_an_end(recording: str) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    with open_reconnecting(recording, Survival()) as source:
        assert not source.info.live
        frames = list(iter(source.read, None))
    assert [frame.sequence for frame in frames] == list(range(12))
    check_stripes(frames[0])


@pytest.mark.parametrize(
    ("uri", "error", "message"),
    [
        ("http://127.0.0.1:PORT/other.mjpg", SourceLost, "Not Found|404"),
        ("http://127.0.0.1:PORT/locked.mjpg", UsageError, "user or password is refused"),
        ("http://u:secret@127.0.0.1:PORT/other.mjpg", SourceLost, r"http://\*\*\*@127"),
        ("rtsp://127.0.0.1:1/cam", SourceLost, "refused"),
        ("rtsp://127.0.0.1:1/cam#carrier-pigeon", UsageError, "neither tcp nor udp"),
        ("rtsp://u:a#secret@127.0.0.1/cam", UsageError, r"\*\*\*@127.*a # in a password is"),
        ("rtsp://host.invalid/cam", SourceLost, "resolve|host"),
        ("rtsp://u:secret@[::1/cam", SourceLost, r"rtsp://\*\*\*@\[::1/cam: "),
    ],
)
def test_what_cannot_be_opened(
    mjpeg_camera: Any, uri: str, error: type[RoadsegError], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        open_source(uri.replace("PORT", str(mjpeg_camera.port)), LIMITS)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("camera:0", "camera:0"),
        ("rtsp://host:554/cam@2", "rtsp://host:554/cam@2"),
        ("rtsp://a:b@host:554/cam?x=1", "rtsp://***@host:554/cam?x=1"),
        ("rtsp://a:b#c@d@host/cam#udp", "rtsp://***@host/cam#udp"),
        ("rtsp://a:b/c@host/cam", "rtsp://***@host/cam"),
        ("rtsp://a@d.e:b/c@host/cam", "rtsp://***@host/cam"),
        ("http://token@host:554/cam", "http://***@host:554/cam"),
        ("http://host/mjpg?user=a&Pwd=b/c&fps=5", "http://host/mjpg?user=a&Pwd=***&fps=5"),
        ("gst:rtspsrc user-pw='b c' ! x", "gst:rtspsrc user-pw=*** ! x"),
        (
            'gst:rtspsrc location=rtsp://a:b@host user-pw="b c" ! filesrc location=/monkey=1',
            "gst:rtspsrc location=rtsp://***@host user-pw=*** ! filesrc location=/monkey=1",
        ),
    ],
)
def test_what_is_shown_has_no_password(uri: str, shown: str) -> None:
    assert hide_password(uri) == shown


def test_ticks_of_a_streams_clock_are_no_rate() -> None:
    """H.264 may tell no timing; FFmpeg then guesses what RTP and MPEG count time in."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    coded = io.BytesIO()
    with av.open(coded, "w", format="mpegts") as file:
        options = {"tune": "zerolatency", "x264-params": "force-cfr=0"}
        coder = file.add_stream("libx264", rate=30, options=options, width=96, height=64)
        coder.codec_context.time_base = Fraction(1, 90000)
        for number in range(60):
            picture = av.VideoFrame(96, 64, "yuv420p")
            picture.pts = 3000 * number + number**2 * 37 % 1301  # it comes unevenly
            picture.time_base = Fraction(1, 90000)
            file.mux(coder.encode(picture))
        file.mux(coder.encode())

    def send() -> None:
        with contextlib.suppress(OSError), server.accept()[0] as connection:
            connection.sendall(coded.getvalue())

    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = threading.Thread(target=send)
        sender.start()
        with open_source(f"tcp://127.0.0.1:{server.getsockname()[1]}", LIMITS) as source:
            assert source.info.live
            assert source.info.fps == 0.0
        sender.join()


def test_a_missing_pyav_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"pip install 'roadseg\[camera\]'"):
        open_reconnecting("rtsp://127.0.0.1:1/cam", Survival())


def test_seg_run_ends_with_3_when_a_stream_ends(
    mjpeg_camera: Any, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mjpeg_camera.frames = 10
    assert main([str(model), mjpeg_camera.url, "--fail-fast"]) == 3
    told = capsys.readouterr()
    assert "the stream ended" in told.err.splitlines()[-1]
    assert "copies" in told.out and "is converted to BGR" in told.out
    assert "≠" not in told.out
