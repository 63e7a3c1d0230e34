"""What of V4L2 cameras needs no camera; tests/camera_vm has the cameras of a real kernel."""

from __future__ import annotations

import ast
import threading
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.runtime.cli import main
from roadseg.runtime.errors import SourceError, SourceLost, SourceStalled
from roadseg.runtime.options import Size
from roadseg.runtime.sources.v4l2.faults import source_error
from roadseg.runtime.sources.v4l2.mjpg import decode_mjpg
from roadseg.runtime.sources.v4l2.negotiation import Mode, choose, missing
from roadseg.runtime.sources.v4l2.numbering import FrameNumbers
from roadseg.runtime.sources.v4l2.opening import open_within
from roadseg.runtime.sources.v4l2.options import V4l2Options
from roadseg.runtime.sources.v4l2.views import PlaneView

_v4l2 = pytest.importorskip("roadseg.runtime._v4l2", reason="V4L2 is Linux alone")

STUB = Path(__file__).parents[2] / "runtime" / "_v4l2.pyi"


def mode(text: str) -> Mode:
    """A mode of "YUYV 640x480 30"."""
    fourcc, size, fps = text.split()
    return Mode(fourcc, Size.parse(size), 1 / Fraction(fps) if fps != "?" else None)


WEBCAM = [
    mode("YUYV 640x480 30"),
    mode("YUYV 1280x720 10"),
    mode("MJPG 640x480 30"),
    mode("MJPG 1280x720 30"),
    mode("MJPG 1920x1080 30"),
]
STEREO = [mode("GREY 1280x720 30"), mode("YUYV 320x240 15")]
MIPI = [mode("UYVY 1920x1080 ?"), mode("NV12 1920x1080 ?")]


@pytest.mark.parametrize(
    ("offered", "asked", "chosen"),
    [
        (WEBCAM, V4l2Options(), "MJPG 1280x720 30"),
        (WEBCAM, V4l2Options(fps=10), "YUYV 1280x720 10"),
        (WEBCAM, V4l2Options(Size(640, 480)), "YUYV 640x480 30"),
        (WEBCAM, V4l2Options(Size(1280, 720), format="yuyv"), "YUYV 1280x720 10"),
        (WEBCAM, V4l2Options(format="yuyv"), "YUYV 640x480 30"),
        (WEBCAM, V4l2Options(Size(4000, 3000)), "MJPG 1920x1080 30"),
        (WEBCAM, V4l2Options(format="NV12", fps=10), "YUYV 1280x720 10"),
        (STEREO, V4l2Options(), "YUYV 320x240 15"),
        (STEREO, V4l2Options(format="GREY"), "GREY 1280x720 30"),
        (MIPI, V4l2Options(), "NV12 1920x1080 ?"),
    ],
)
def test_the_nearest_mode(offered: list[Mode], asked: V4l2Options, chosen: str) -> None:
    assert choose(asked, offered) == mode(chosen)


def test_a_camera_without_a_format_that_is_read() -> None:
    with pytest.raises(SourceError, match="gives none of NV12, NV12M, NV21"):
        choose(V4l2Options(), [])


@pytest.mark.parametrize(
    ("asked", "given", "told"),
    [
        (V4l2Options(), "YUYV 640x480 30", ""),
        (V4l2Options(Size(640, 480), 25, "nv12m"), "NM12 640x480 25", ""),
        (V4l2Options(Size(800, 600), 60, "NV12"), "YUYV 640x480 30", "NV12, 800x600, 60 FPS"),
        (V4l2Options(), "YUYV 640x480 ?", ""),
    ],
)
def test_what_was_not_to_be_had(asked: V4l2Options, given: str, told: str) -> None:
    assert missing(asked, mode(given)) == told


def test_padded_rows() -> None:
    memory = np.arange(64, dtype=np.uint8)
    view = PlaneView((3, 4, 2), 16)
    assert view.needed == 40
    np.testing.assert_array_equal(view.of(memory)[1].reshape(-1), np.arange(16, 24))
    assert np.shares_memory(view.of(memory), memory)
    with pytest.raises(SourceError, match="too small for a frame"):
        PlaneView((5, 4, 2), 16).of(memory)


def jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (jpeg()[: len(jpeg()) // 2], "cut short"),
        (jpeg()[:700] + b"\xff\xc0\x12" + jpeg()[703:], "damaged"),
        (b"\0" + jpeg(), "no JPEG begins here"),
        (jpeg()[:40] + jpeg()[-2:], "cut short"),
        (b"\xff\xd8\xff\xda" + b"\0" * 60 + b"\xff\xd9", "cannot be decoded"),
    ],
)
def test_damaged_jpegs(data: bytes, fault: str) -> None:
    found = decode_mjpg(np.frombuffer(data, np.uint8), 64, 48)
    assert isinstance(found, str) and fault in found


def test_whole_jpegs_padded_as_some_cameras_do() -> None:
    data = np.frombuffer(jpeg() + bytes(100), np.uint8)
    decoded = decode_mjpg(data, 64, 48)
    assert isinstance(decoded, np.ndarray)
    np.testing.assert_array_equal(decoded, cv2.imdecode(data, cv2.IMREAD_COLOR))
    assert decode_mjpg(data, 48, 64) == "the JPEG is 64x48, not 48x64"


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        ("ENODEV", SourceLost, "/dev/video0 went away"),
        ("EIO", SourceError, "failed while streaming"),
        ("EBUSY", SourceError, r"in use by another program \(fuser -v /dev/video0"),
        ("EACCES", SourceError, "group 'video'"),
        ("ENOENT", SourceError, "there is no camera /dev/video0"),
        ("EINVAL", SourceError, "/dev/video0: Invalid argument"),
    ],
)
def test_what_errors_of_the_kernel_mean(code: str, kind: type[SourceError], told: str) -> None:
    import errno
    import os

    number = getattr(errno, code)
    fault = source_error(OSError(number, os.strerror(number)), "/dev/video0")
    assert type(fault) is kind
    with pytest.raises(kind, match=told):
        raise fault


@pytest.mark.parametrize(
    ("driver", "empty", "given"),
    [
        ([0, 1, 4, 5], [], [0, 1, 4, 5]),
        ([7, 8, 8, 9, 11], [], [7, 8, 9, 10, 12]),
        ([3, 3, 3], [], [3, 4, 5]),
        ([2, 0, 3, 5], [1], [2, 3, 4, 6]),  # an empty buffer's number says nothing
    ],
)
def test_no_number_of_a_frame_comes_twice(
    driver: list[int], empty: list[int], given: list[int]
) -> None:
    numbers = FrameNumbers()
    assert [numbers.of(one, at in empty) for at, one in enumerate(driver)] == given


class Hanging:
    """Opens when it is told to, as a stalled device does in the end."""

    def __init__(self, go: threading.Event, closed: threading.Event) -> None:
        go.wait(10)
        self.closed = closed

    def close(self) -> None:
        self.closed.set()


def test_opening_that_hangs_is_given_up_and_cleans_up() -> None:
    go, closed = threading.Event(), threading.Event()
    with pytest.raises(SourceStalled, match=r"cam cannot be opened: no answer for 0\.05 s"):
        open_within(0.05, "cam", lambda: Hanging(go, closed))
    go.set()
    assert closed.wait(10)


def test_opening_in_time() -> None:
    go, closed = threading.Event(), threading.Event()
    go.set()
    opened = open_within(10, "cam", lambda: Hanging(go, closed))
    time.sleep(0.01)
    assert not closed.is_set() and opened.closed is closed
    with pytest.raises(ZeroDivisionError):
        open_within(10, "cam", lambda: Hanging(go, 1 / 0))  # type: ignore[arg-type]


def test_the_stub_names_what_the_module_has() -> None:
    stubbed: dict[str, set[str]] = {}
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.ClassDef):
            stubbed[node.name] = {
                one.name if isinstance(one, ast.FunctionDef) else one.target.id
                for one in node.body
                if isinstance(one, ast.FunctionDef)
                or (isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name))
            } - {"__init__"}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if not node.target.id.startswith("_"):
                stubbed[node.target.id] = set()
    there = {name for name in vars(_v4l2) if not name.startswith("_")}
    assert set(stubbed) == there
    for name, members in stubbed.items():
        if isinstance(getattr(_v4l2, name), type):
            have = {one for one in vars(getattr(_v4l2, name)) if not one.startswith("_")}
            assert members == have, name


def test_no_cameras_here(capsys: pytest.CaptureFixture[str]) -> None:
    if list(Path("/dev").glob("video*")):
        pytest.skip("there are cameras here")
    assert main(["--list-cameras"]) == 3
    assert "there are no cameras here" in capsys.readouterr().err
