"""Videos by FFmpeg's encoders: those that are here encode, those of absent hardware say why not."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.runtime.cli import main
from roadseg.runtime.errors import RoadsegError, UsageError
from roadseg.runtime.sinks.encoder import HARDWARE, choose_codec, open_encoder, why_not

SIZE = (96, 64)
SOURCE = "synthetic:?size=97x65&frames=5"
Told = pytest.CaptureFixture[str]


def needs(codec: str) -> None:
    av = pytest.importorskip("av")
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")


def fourcc(path: Path) -> str:
    code = int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FOURCC))
    return code.to_bytes(4, "little").decode()


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pictures_come_back(tmp_path: Path, codec: str, suffix: str) -> None:
    needs(codec)
    path = tmp_path / f"road{suffix}"
    encoder = open_encoder(path, codec, 29.97, SIZE)
    for grey in range(0, 240, 20):
        encoder.write(np.full((64, 96, 3), grey, np.uint8))
    encoder.close()
    reader = cv2.VideoCapture(str(path))
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(29.97, abs=0.01)
    means = [reader.read()[1].mean() for _ in range(12)]
    assert means == pytest.approx(list(range(0, 240, 20)), abs=6)
    assert not reader.read()[0]


@pytest.mark.parametrize("codec", ["h264_nvenc", "h264_v4l2m2m", "h264_vaapi", "no_such"])
def test_an_encoder_that_cannot_encode_says_why(codec: str) -> None:
    """FFmpeg's wheel has encoders for hardware that this machine may not have."""
    pytest.importorskip("av")
    reason = why_not(codec, SIZE)
    if not reason:
        pytest.skip(f"this machine has {codec}")
    with pytest.raises(UsageError, match=f"--save-codec {codec} cannot encode here: .+"):
        choose_codec(codec, ".mp4", SIZE)


def test_auto_is_the_hardwares_or_the_least_work() -> None:
    works = [codec for codec in HARDWARE if not why_not(codec, SIZE)]
    assert choose_codec("auto", ".mp4", SIZE) == [*works, "mpeg4"][0]
    assert choose_codec("auto", ".avi", SIZE) == "mjpeg"


def test_a_codec_is_tried_in_the_file_that_is_asked_for() -> None:
    needs("libvpx")
    assert choose_codec("libvpx", ".mkv", SIZE) == "libvpx"
    with pytest.raises(UsageError, match=r"libvpx cannot encode here: .*mp4"):
        choose_codec("libvpx", ".mp4", SIZE)


def test_seg_run_tells_the_codec(model: Path, tmp_path: Path, capsys: Told) -> None:
    needs("libx264")
    path = tmp_path / "road.mp4"
    assert main([str(model), SOURCE, "--save", str(path), "--save-codec", "libx264"]) == 0
    assert f"video {path}, 5 frames, libx264" in capsys.readouterr().out
    assert fourcc(path) in ("avc1", "h264")
    assert cv2.VideoCapture(str(path)).read()[1].shape == (64, 96, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--save", "road.mp4", "--save-codec", "no_such"], "no_such cannot encode here"),
        (["--save", "road.avi", "--save-codec", "libx264"], "needs .mp4 or .mkv; .avi takes mjpeg"),
        (["--save-codec", "libx264"], "--save-codec needs --save FILE"),
    ],
)
def test_wrong_use(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Told,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(model), SOURCE, *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("*.mp4"))


def test_without_pyav(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "road.mp4"
    assert main([str(model), SOURCE, "--save", str(path), "--save-codec", "libx264"]) == 2
    assert "pip install 'roadseg[camera]'" in capsys.readouterr().err
    assert main([str(model), SOURCE, "--save", str(path)]) == 0
    assert f"{path}, 5 frames, mpeg4" in capsys.readouterr().out


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_leaves_no_half_video(
    model: Path, tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("libx264")
    ignored: list[object] = []  # what Python would print of a file that is closed too late
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    path = tmp_path / "road.mp4"
    noise = "synthetic:?size=640x384&frames=120&weather=rain"
    assert main([str(model), noise, "--save", str(path), "--save-codec", "libx264"]) == 1
    assert f"{path}: " in (told := capsys.readouterr().err) and "too large" in told
    assert list(tmp_path.iterdir()) == []
    gc.collect()
    assert not ignored


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    needs("libx264")
    with pytest.raises(RoadsegError, match="libx264: No such file"):
        open_encoder(tmp_path / "none" / "road.mp4", "libx264", 10.0, SIZE)
