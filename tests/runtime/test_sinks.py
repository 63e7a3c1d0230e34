"""What seg-run writes: whole, readable files, of the frames that it was given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.runtime.cli import main
from roadseg.runtime.errors import DataError, RoadsegError, UsageError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.result import Result
from roadseg.runtime.road_classes import ROAD_CLASSES
from roadseg.runtime.run_options import RunOptions
from roadseg.runtime.sinks import FanOut, open_sinks
from roadseg.runtime.sources.base import SourceInfo

FILE = SourceInfo("file", 96, 64, 10.0, None, live=False)
LIVE = SourceInfo("live", 96, 64, 10.0, None, live=True)
SECOND = 10**9


def result(number: int, width: int = 96, height: int = 64, at_s: float = 0.0) -> Result:
    pixels = np.full((height, width, 3), 100, np.uint8)
    mask = np.full((height, width), 3, np.uint8)  # road
    mask[: height // 2] = number % 3
    name = f"{number:06d}"
    frame = Frame(pixels, PixelFormat.BGR, int(at_s * SECOND), number, name)
    return Result(frame, mask, {"infer": 2_000_000}, 5_000_000)


def count_frames(path: Path) -> int:
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count


def test_every_sink_writes_what_it_says(tmp_path: Path) -> None:
    options = RunOptions(
        save=tmp_path / "a" / "road.mp4",
        masks=tmp_path / "masks",
        jsonl=tmp_path / "b" / "road.jsonl",
        sheet=tmp_path / "sheet.png",
    )
    sinks = FanOut(open_sinks(options, FILE, ROAD_CLASSES), live=False)
    for number in range(40):
        sinks.write(result(number))
    assert len(sinks.close()) == 4
    assert not sinks.failed

    assert count_frames(tmp_path / "a" / "road.mp4") == 40
    masks = sorted((tmp_path / "masks").iterdir())
    assert [path.name for path in masks[:2]] == ["000000.png", "000001.png"]
    read = cv2.imread(str(masks[1]), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read, result(1).mask)
    lines = [json.loads(line) for line in (tmp_path / "b" / "road.jsonl").read_text().splitlines()]
    assert [line["sequence"] for line in lines] == list(range(40))
    assert lines[0]["drivable"] == lines[0]["shares"]["road"] == 0.5
    assert lines[0]["shares"]["sky"] == 0.5
    assert lines[0]["age_ms"] == 5.0
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] > 3 * 480
    assert not [path for path in tmp_path.rglob("*") if "part" in path.name]


def test_the_overlay_has_the_classes_colours(tmp_path: Path) -> None:
    (sink,) = open_sinks(RunOptions(sheet=tmp_path / "sheet.png", alpha=1.0), FILE, ROAD_CLASSES)
    sink.write(result(0))
    sink.close()
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert tuple(sheet[60, 240]) == (128, 128, 128)  # sky
    assert tuple(sheet[300, 240]) == (128, 64, 128)  # road


@pytest.mark.parametrize("kind", [PixelFormat.NV12, PixelFormat.YUYV, PixelFormat.RGB])
def test_other_pixel_formats_are_painted(tmp_path: Path, kind: PixelFormat) -> None:
    shape = {
        PixelFormat.NV12: (96, 96),
        PixelFormat.YUYV: (64, 96, 2),
        PixelFormat.RGB: (64, 96, 3),
    }[kind]
    plain = result(0)
    frame = Frame(np.full(shape, 128, np.uint8), kind, 0, 0, "000000")
    (sink,) = open_sinks(RunOptions(sheet=tmp_path / "sheet.png", alpha=0.0), FILE, ROAD_CLASSES)
    sink.write(Result(frame, plain.mask, {}, 0))
    sink.close()
    middle = cv2.imread(str(tmp_path / "sheet.png"))[100, 100]
    assert np.ptp(middle.astype(int)) <= 2
    assert abs(int(middle[0]) - 130) <= 3


def test_an_odd_size_loses_one_pixel(tmp_path: Path) -> None:
    (sink,) = open_sinks(RunOptions(save=tmp_path / "odd.mp4"), FILE, ROAD_CLASSES)
    for number in range(3):
        sink.write(result(number, 97, 65))
    sink.close()
    capture = cv2.VideoCapture(str(tmp_path / "odd.mp4"))
    assert capture.read()[1].shape == (64, 96, 3)


@pytest.mark.parametrize("option", ["save", "record"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 1}, "frames are 1x64: a video needs 2x2 pixels"),
        ({"height": 1}, "frames are 96x1: a video needs 2x2 pixels"),
        ({"fps": 0.0001}, "the source has 0.0001 frames a second, a video may have 0.002 to 10000"),
        ({"fps": 90000.0}, "the source has 90000 frames a second, a video may have"),
    ],
)
def test_what_makes_no_video(
    tmp_path: Path, option: str, change: dict[str, float], message: str
) -> None:
    info = replace(FILE, **change)  # type: ignore[arg-type]
    options = RunOptions(**{option: tmp_path / "road.mp4"})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message):
        open_sinks(options, info, ROAD_CLASSES)[0].write(result(0, info.width, info.height))


def test_a_live_video_keeps_the_clocks_time(tmp_path: Path) -> None:
    (sink,) = open_sinks(RunOptions(save=tmp_path / "live.mp4"), LIVE, ROAD_CLASSES)
    for number, at_s in enumerate([5.0, 5.1, 5.11, 5.12, 5.9]):
        sink.write(result(number, at_s=at_s))
    sink.close()
    assert count_frames(tmp_path / "live.mp4") == 10  # 0.9 s at 10 FPS, both ends


def test_a_live_video_leaves_out_the_time_that_the_camera_was_away(tmp_path: Path) -> None:
    (sink,) = open_sinks(RunOptions(save=tmp_path / "live.mp4"), LIVE, ROAD_CLASSES)
    for number, at_s in enumerate([5.0, 5.1, 65.0, 65.1, 65.3]):
        width, height = (96, 64) if at_s < 60 else (64, 48)  # it came back in another size
        sink.write(result(number, width, height, at_s))
    sink.close()
    assert count_frames(tmp_path / "live.mp4") == 6
    assert cv2.VideoCapture(str(tmp_path / "live.mp4")).read()[1].shape == (64, 96, 3)


def test_a_video_has_one_size(tmp_path: Path) -> None:
    (sink,) = open_sinks(RunOptions(save=tmp_path / "road.mp4"), FILE, ROAD_CLASSES)
    sink.write(result(0))
    with pytest.raises(DataError, match=r"frame 000001 is 64x48, those before it 96x64"):
        sink.write(result(1, 64, 48))
    assert sink.close() == ""
    assert list(tmp_path.iterdir()) == []


def test_nothing_written_leaves_no_video_and_keeps_the_old(tmp_path: Path) -> None:
    old = tmp_path / "road.mp4"
    old.write_bytes(b"old")
    (sink,) = open_sinks(RunOptions(save=old), FILE, ROAD_CLASSES)
    assert sink.close() == ""
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"save": "road.gif"}, UsageError, r"unknown kind of video '\.gif': known are \.mp4"),
        ({"masks": "taken"}, UsageError, "is a file: --masks needs a folder"),
        ({"save": "folder.mp4"}, UsageError, r"cannot write .*folder\.mp4: it is a folder"),
        ({"sheet": "folder.mp4"}, UsageError, r"cannot write .*folder\.mp4: it is a folder"),
        ({"sheet": "taken/sheet.png"}, UsageError, r"cannot write .*taken is no folder"),
        ({"jsonl": "folder.mp4"}, UsageError, r"cannot write .*folder\.mp4: it is a folder"),
        ({"show": True}, UsageError, "no display here"),
    ],
)
def test_what_cannot_be_opened(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
    error: type[RoadsegError],
    message: str,
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "taken").write_text("")
    (tmp_path / "folder.mp4").mkdir()
    paths = {k: tmp_path / v if isinstance(v, str) else v for k, v in options.items()}
    with pytest.raises(error, match=message):
        open_sinks(RunOptions(**paths), FILE, ROAD_CLASSES)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"ring": "a/b"}, {"serve": "192.0.2.7:8080"}])
def test_lines_are_kept_when_another_output_cannot_be_opened(
    tmp_path: Path, model: Path, wrong: dict[str, str]
) -> None:
    lines = tmp_path / "road.jsonl"
    lines.write_text("of the run before")
    words = [f"--{name}={value}" for name, value in wrong.items()]
    assert main([str(model), "synthetic:?frames=1", "--jsonl", str(lines), *words]) == 2
    assert lines.read_text() == "of the run before"


def test_a_long_pipeline_is_no_file(tmp_path: Path) -> None:
    info = replace(FILE, uri="gst:videotestsrc num-buffers=3" + " ! identity" * 50)
    (sink,) = open_sinks(RunOptions(jsonl=tmp_path / "road.jsonl"), info, ROAD_CLASSES)
    sink.close()


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("road.mp4", {"save": "road.mp4"}, r"road\.mp4 is what is read"),
        ("road.mp4", {"save": "link.mp4"}, r"link\.mp4 is what is read"),
        ("road.mp4", {"jsonl": "road.mp4"}, r"road\.mp4 is what is read"),
        ("images/a.png", {"sheet": "images/a.png"}, r"a\.png is what is read"),
        ("images/a.png", {"masks": "images"}, r"a\.png is what is read"),
        ("images", {"masks": "images"}, "images is what is read"),
        ("images", {"sheet": "images/a.png"}, r"a\.png is what is read"),
    ],
)
def test_no_output_takes_the_place_of_the_source(
    tmp_path: Path, source: str, options: dict[str, str], message: str
) -> None:
    (tmp_path / "images").mkdir()
    for name in ("road.mp4", "images/a.png"):
        (tmp_path / name).write_bytes(b"whole")
    (tmp_path / "link.mp4").symlink_to("road.mp4")
    info = replace(FILE, uri=str(tmp_path / source))
    asked = RunOptions(**{name: tmp_path / path for name, path in options.items()})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message):
        open_sinks(asked, info, ROAD_CLASSES)
    assert (tmp_path / "road.mp4").read_bytes() == b"whole"


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("images", {"masks": "images/masks", "sheet": "images/sheet.png"}),
        ("images/b.jpg", {"masks": "images"}),  # images/b.png
        ("road.mp4", {"masks": ".", "save": "road.mkv"}),
    ],
)
def test_outputs_may_lie_beside_the_source(
    tmp_path: Path, source: str, options: dict[str, str]
) -> None:
    (tmp_path / "images").mkdir()
    for name in ("road.mp4", "images/a.png", "images/b.jpg"):
        (tmp_path / name).write_bytes(b"whole")
    info = replace(FILE, uri=str(tmp_path / source))
    asked = RunOptions(**{name: tmp_path / path for name, path in options.items()})  # type: ignore[arg-type]
    for sink in open_sinks(asked, info, ROAD_CLASSES):
        sink.close()


@pytest.mark.parametrize("codec", ["auto", "libx264"])
def test_a_video_may_be_named_by_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    """FFmpeg takes what stands before a colon for a protocol."""
    if codec != "auto":
        pytest.importorskip("av", reason="PyAV is not installed")
    monkeypatch.chdir(tmp_path)
    options = RunOptions(save=Path("10:30.mp4"), save_codec=codec)
    (sink,) = open_sinks(options, FILE, ROAD_CLASSES)
    for number in range(3):
        sink.write(result(number))
    assert sink.close().startswith("video 10:30.mp4, 3 frames")
    assert count_frames(tmp_path / "10:30.mp4") == 3


def test_two_runs_do_not_write_one_file_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "road.jsonl"
    (first,) = open_sinks(RunOptions(jsonl=path), FILE, ROAD_CLASSES)
    first.write(result(0))
    with pytest.raises(UsageError, match="another run writes there"):
        open_sinks(RunOptions(jsonl=path), FILE, ROAD_CLASSES)
    assert len(path.read_text().splitlines()) == 1
    first.close()
    (again,) = open_sinks(RunOptions(jsonl=path), FILE, ROAD_CLASSES)
    assert path.read_text() == ""
    again.close()


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "road.jsonl"
    (sink,) = open_sinks(RunOptions(jsonl=path), FILE, ROAD_CLASSES)
    with pytest.raises(OSError, match="File too large"):
        for number in range(1000):
            sink.write(result(number))
    sink.close()
    lines = path.read_text().splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == list(range(len(lines)))
    assert len(lines) > 10


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_leaves_no_half_mask_and_no_half_video(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noisy = random.integers(0, 11, (400, 600)).astype(np.uint8)
    pixels = random.integers(0, 255, (400, 600, 3)).astype(np.uint8)
    frame = Frame(pixels, PixelFormat.BGR, 0, 0, "000000")
    large = Result(frame, noisy, {}, 0)
    masks, video = tmp_path / "masks", tmp_path / "road.mp4"
    (sink,) = open_sinks(RunOptions(masks=masks), FILE, ROAD_CLASSES)
    with pytest.raises(OSError, match="File too large"):
        sink.write(large)
    assert list(masks.iterdir()) == []
    (sink,) = open_sinks(RunOptions(save=video), FILE, ROAD_CLASSES)
    for _ in range(20):
        sink.write(large)
    with pytest.raises(RoadsegError, match="disk full"):
        sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["masks"]


@pytest.mark.usefixtures("small_disk")
def test_live_a_full_disk_ends_its_own_sink(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonl, masks = tmp_path / "road.jsonl", tmp_path / "masks"
    source = "synthetic:?size=96x64&live=1&fps=60&frames=200"
    words = [str(model), source, "--jsonl", str(jsonl), "--masks", str(masks)]
    assert main(words) == 1
    told = capsys.readouterr()
    assert told.err == "seg-run: jsonl failed and is closed, the others go on: File too large\n"
    lines = jsonl.read_text().splitlines()
    assert [bool(json.loads(line)) for line in lines] == [True] * len(lines)
    assert len(list(masks.iterdir())) > len(lines) + 10
    assert "wrote masks" in told.out
    assert "jsonl lost" in told.out
