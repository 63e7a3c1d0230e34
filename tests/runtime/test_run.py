"""seg-run as a user types it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.runtime.cli import choose, main
from roadseg.runtime.errors import UsageError
from roadseg.runtime.shipped import DEFAULT_MODEL, shipped_models

RUN = [sys.executable, "-m", "roadseg.runtime.cli"]


def seg_run(*words: str | Path) -> int:
    return main([str(word) for word in words])


def test_a_folder_of_images_becomes_masks(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "masks"
    assert seg_run(model, images, "--masks", out) == 0
    told = capsys.readouterr().out
    assert "captured 3 = shown 3 + sensor drops 0 + stale 0 + corrupt 0" in told
    assert f"wrote masks {out}, 3 files" in told
    sizes = {path.name: cv2.imread(str(path), -1).shape for path in sorted(out.iterdir())}
    assert sizes == {"road0.png": (64, 96), "road1.png": (65, 97), "road2.png": (50, 130)}
    first = cv2.imread(str(out / "road0.png"), -1)
    np.testing.assert_array_equal(first[32, [15, 47, 80]], [0, 1, 2])


def test_a_video_with_all_sinks(model: Path, video: Path, tmp_path: Path) -> None:
    video_out, lines, sheet = tmp_path / "out.mp4", tmp_path / "out.jsonl", tmp_path / "s.png"
    masks = tmp_path / "m"
    words = ["--save", video_out, "--jsonl", lines, "--sheet", sheet, "--masks", masks]
    assert seg_run(model, video, *words, "--frames", "7", "--engine", "onnxruntime") == 0
    assert len(lines.read_text().splitlines()) == 7
    assert sorted(path.name for path in masks.iterdir()) == [f"{n:06d}.png" for n in range(7)]
    assert sheet.stat().st_size > 1000
    assert video_out.stat().st_size > 1000


def test_both_engines_give_the_same_masks(model: Path, images: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    for engine in ("onnxruntime", "openvino"):
        assert seg_run(model, images, "--masks", tmp_path / engine, "--engine", engine) == 0
    for path in (tmp_path / "openvino").iterdir():
        assert path.read_bytes() == (tmp_path / "onnxruntime" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "no source"),
        (["MODEL"], 2, "is a model: give a source too"),
        (["a", "b", "c"], 2, "'c' is one word too many"),
        (["MODEL", "a.mp4", "--camera", "0"], 2, "give one of them"),
        (["MODEL", "nowhere.mp4"], 2, "no such file or folder"),
        (["nowhere.onnx", "synthetic:"], 2, "neither a file nor a shipped network"),
        (["MODEL", "--camera", "9999", "--fail-fast"], 3, "there is no camera /dev/video9999"),
        (["MODEL", "EMPTY"], 2, "no images"),
        (["MODEL", "IMAGES", "--engine", "caffe"], 2, "unknown engine 'caffe'"),
        (["MODEL", "IMAGES", "--size", "33x32"], 2, "multiples of"),
        (["MODEL", "IMAGES", "--size", "big"], 2, "not WIDTHxHEIGHT"),
        (["MODEL", "IMAGES", "--alpha", "2"], 2, "alpha is 2.0"),
        (["MODEL", "IMAGES", "--frames", "-1"], 2, "frames is -1"),
        (["MODEL", "IMAGES", "--save", "out.gif"], 2, "unknown kind of video"),
        (["MODEL", "IMAGES", "--ring", "a/b"], 2, "a name of letters"),
        (["MODEL", "IMAGES", "--ring-frames"], 2, "--ring-frames needs --ring NAME"),
        (["MODEL", "IMAGES", "--serve", "big"], 2, "give PORT or HOST:PORT"),
        (["MODEL", "IMAGES", "--serve", "70000"], 2, "give PORT or HOST:PORT"),
        (["MODEL", "IMAGES", "--serve", ":8080"], 2, "give PORT or HOST:PORT"),
        (["MODEL", "IMAGES", "--serve", "192.0.2.7:8080"], 2, "not an address of this machine"),
        (["MODEL", "IMAGES", "--serve", "no-such-host.invalid:80"], 2, "no-such-host.invalid:80: "),
        (["MODEL", "IMAGES", "--colour", "red"], 2, "unrecognized arguments"),
    ],
)
def test_wrong_use_is_one_line(
    model: Path,
    images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"MODEL": model, "IMAGES": images, "EMPTY": tmp_path / "empty"}
    assert seg_run(*(places.get(word, word) for word in words)) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("seg-run: ")
    assert len(error.splitlines()) == 1


def test_a_damaged_image_is_named_after_the_others_are_done(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "road1.png").write_bytes((images / "road1.png").read_bytes()[:50])
    assert seg_run(model, images, "--masks", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "road1.png: the PNG is cut short" in error
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["road0.png", "road2.png"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_with_whole_files(model: Path, tmp_path: Path, number: signal.Signals) -> None:
    video, lines = tmp_path / "road.mp4", tmp_path / "road.jsonl"
    words = [str(model), "synthetic:?size=96x64&live=1&fps=50", "--save", str(video)]
    process = subprocess.Popen([*RUN, *words, "--jsonl", str(lines)], stdout=subprocess.PIPE)
    try:
        give_up = time.monotonic() + 60
        while not lines.exists() or len(lines.read_bytes().splitlines()) < 10:
            assert time.monotonic() < give_up, "seg-run wrote nothing"
            assert process.poll() is None, "seg-run ended by itself"
            time.sleep(0.02)
        process.send_signal(number)
        told = process.communicate(timeout=60)[0].decode()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    counts = [
        int(word) for word in told.split("captured")[1].splitlines()[0].split() if word.isdigit()
    ]
    captured, shown, drops, stale, corrupt = counts
    assert captured == shown + drops + stale + corrupt
    lost = re.search(r"jsonl lost (\d+) of", told)
    written = [json.loads(line)["sequence"] for line in lines.read_text().splitlines()]
    assert len(written) == shown - (int(lost[1]) if lost else 0)
    assert written == sorted(set(written))
    assert cv2.VideoCapture(str(video)).read()[0]


def test_a_stop_ends_the_wait_for_a_camera(model: Path) -> None:
    words = [str(model), "rtsp://127.0.0.1:1/cam", "--stall-timeout", "1"]
    pytest.importorskip("av", reason="PyAV is not installed")
    process = subprocess.Popen([*RUN, *words], stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        told = process.stderr.readline().decode()
        assert told.startswith("source connecting: rtsp://127.0.0.1:1/cam: Connection refused")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
        assert b"Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()  # type: ignore[union-attr]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['seg-run', '--help']\n"
        "from roadseg.runtime.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'cv2', 'onnx', 'onnxruntime', 'openvino', 'torch', 'numpy'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "heavy: []" in told.stdout
    assert "--camera" in told.stdout


def test_no_torch_is_loaded_by_a_run(model: Path, images: Path) -> None:
    code = (
        "import sys\nfrom roadseg.runtime.cli import main\n"
        f"assert main([{str(model)!r}, {str(images)!r}]) == 0\n"
        "print('torch' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert told.stdout.splitlines()[-1] == "False"


def test_model_and_source_by_place() -> None:
    assert choose(["road.mp4"], "") == (DEFAULT_MODEL, "road.mp4")
    assert choose([], "0") == (DEFAULT_MODEL, "camera:0")
    assert choose(["own.onnx"], "/dev/v4l/by-id/usb-cam") == (
        "own.onnx",
        "v4l2:///dev/v4l/by-id/usb-cam",
    )
    assert choose(["own.onnx", "road.mp4"], "") == ("own.onnx", "road.mp4")
    with pytest.raises(UsageError, match="is a model"):
        choose(["own.onnx"], "")


def test_the_shipped_networks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert seg_run("--list-models") == 0
    told = capsys.readouterr().out
    networks = ("mobileunet", "deeplabv3plus", "roadnet")
    assert set(shipped_models()) == {f"{n}{kind}" for n in networks for kind in ("", "-int8")}
    assert all(name in told for name in shipped_models())


def test_the_default_network_runs_on_rendered_roads(tmp_path: Path) -> None:
    out = tmp_path / "road.jsonl"
    assert seg_run("synthetic:?frames=2", "--jsonl", out) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert all(0.05 < row["shares"]["road"] < 0.7 for row in rows)
