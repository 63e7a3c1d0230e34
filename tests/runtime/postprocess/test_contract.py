"""What every stage keeps to, and how stages are asked for."""

from __future__ import annotations

import importlib.util
import json
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from roadseg.runtime.camera_model import CameraModel
from roadseg.runtime.cli import main
from roadseg.runtime.errors import MissingExtra, UsageError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.postprocess import Stage, Work, open_stages
from roadseg.runtime.road_classes import ROAD_CLASSES
from roadseg.runtime.spec import IGNORE

CAMERA = CameraModel(96, 64, 78.0, 78.0, 47.5, 28.0, 1.45, 0.0)
NAMES = ("smooth", "unknown", "area", "close", "crf", "polygon", "free")


def opened(name: str) -> Stage:
    if name == "crf" and not importlib.util.find_spec("pydensecrf"):
        pytest.skip("pydensecrf2 is not installed (roadseg[crf])")
    return open_stages([name], ROAD_CLASSES, CAMERA if name == "free" else None)[0]


def make_work(number: int, width: int = 96, height: int = 64) -> Work:
    """A frame of noise whose lower half is road, with confidences from 0 to 255."""
    random = np.random.default_rng(number)
    pixels = random.integers(0, 255, (height, width, 3)).astype(np.uint8)
    frame = Frame(pixels, PixelFormat.BGR, 0, number, f"{number:06d}")
    logits = random.normal(0, 1, (len(ROAD_CLASSES), height // 4, width // 4)).astype(np.float32)
    mask = random.integers(0, len(ROAD_CLASSES), (height, width)).astype(np.uint8)
    mask[height // 2 :] = 3
    confidence = random.integers(0, 256, (height, width)).astype(np.uint8)
    return Work(frame, logits, mask, confidence)


@pytest.mark.parametrize("name", NAMES)
class TestEveryStage:
    def test_is_told_under_the_name_that_it_is_asked_for_by(self, name: str) -> None:
        assert opened(name).name == name

    def test_changes_logits_or_the_mask_and_never_what_others_own(self, name: str) -> None:
        stage, work = opened(name), make_work(0)
        pixels, logits, mask = work.frame.pixels.copy(), work.logits, work.mask
        before, masked = logits.copy(), mask.copy()
        stage(work)
        np.testing.assert_array_equal(work.frame.pixels, pixels)
        np.testing.assert_array_equal(logits, before)  # of the engine
        assert work.mask is mask
        if stage.before_decode:
            np.testing.assert_array_equal(mask, masked)
        assert set(np.unique(mask)) <= {*range(len(ROAD_CLASSES)), IGNORE}

    def test_takes_masks_whose_rows_are_padded(self, name: str) -> None:
        plain, padded = make_work(1), make_work(1)
        wide = np.full((64, 128), 77, np.uint8)
        wide[:, :96] = padded.mask
        padded.mask = wide[:, :96]
        opened(name)(plain)
        opened(name)(padded)
        np.testing.assert_array_equal(plain.mask, padded.mask)
        assert (wide[:, 96:] == 77).all()

    def test_follows_frames_that_change_their_size(self, name: str) -> None:
        stage = opened(name)
        for number, size in enumerate([(96, 64), (192, 128), (96, 64)]):
            work = make_work(number, *size)
            stage(work)
            assert work.mask.shape == size[::-1]

    def test_takes_a_mask_of_one_class_and_one_of_none(self, name: str) -> None:
        stage = opened(name)
        for number in (3, IGNORE):
            work = make_work(0)
            work.mask[:] = number
            stage(work)

    def test_keeps_nothing_of_an_image_per_frame(self, name: str) -> None:
        if name == "crf":
            pytest.skip("crf allocates, and says so")
        stage, works = opened(name), [make_work(n, 768, 512) for n in range(4)]
        for work in works:
            work.mask[:] = 3
            work.mask[:200, :300] = 0
        stage(works[0])
        tracemalloc.start()
        try:
            for work in works[1:]:
                stage(work)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 768 * 512 / 10


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("sharpen", "unknown stage 'sharpen': known are area, close, crf, free, polygon, smooth, "),
        ("smooth:much", "--post smooth:much: 'much' is not a number"),
        ("smooth:", "'' is not a number"),
        ("smooth:0", "smooth:0: the newest frame's weight is above 0"),
        ("unknown:1.5", "the least confidence is 0 to 1"),
        ("unknown:nan", "the least confidence is 0 to 1"),
        ("area:0", "a whole number of pixels is needed"),
        ("close:2.5", "close:2.5: a whole number of pixels is needed"),
        ("close:inf", "a whole number of pixels is needed"),
        ("polygon:-1", "the tolerance is 0 to 1000 pixels"),
        ("free:1", "the share of a row"),
        ("crf:0", "1 to 100 iterations"),
        ("crf:nan", "1 to 100 iterations"),
        ("area,area:9", "area is there twice"),
    ],
)
def test_what_cannot_be_asked_for(asked: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        open_stages(asked.split(","), ROAD_CLASSES)
    assert message in str(error.value)


def test_a_camera_that_no_stage_uses() -> None:
    with pytest.raises(UsageError, match="it needs --post free"):
        open_stages(["area"], ROAD_CLASSES, CAMERA)


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    with pytest.raises(MissingExtra, match=r"pip install 'roadseg\[crf\]'"):
        open_stages(["crf"], ROAD_CLASSES)


def test_crf_comes_before_what_changes_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    package = SimpleNamespace(densecrf=SimpleNamespace(DenseCRF2D=None))
    monkeypatch.setitem(sys.modules, "pydensecrf", package)  # it is opened, and not run
    assert len(open_stages(["smooth", "crf", "area"], ROAD_CLASSES)) == 3
    with pytest.raises(UsageError, match="crf makes the mask anew: name it before area"):
        open_stages(["smooth", "area", "crf"], ROAD_CLASSES)


def test_seg_run_times_stages_and_writes_what_they_find(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "out.jsonl"
    words = [str(model), str(images), "--jsonl", str(lines), "--sheet", str(tmp_path / "s.png")]
    assert main([*words, "--post", "free,smooth:0.9,unknown:0.1,area:4,close,polygon:0"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "smooth: what is shown is 0.1 frames older on average" in told[1]
    start = next(number for number, line in enumerate(told) if line.startswith("ms "))
    assert [line.split()[0] for line in told[start + 1 : start + 12]] == [
        *("preprocess", "infer", "smooth", "decode", "free", "unknown", "area"),
        *("close", "polygon", "sinks", "age"),
    ]
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    first = rows[0]
    edge = first["polygon"][2][0]  # of the red third, that can be driven on
    assert abs(edge - 31) <= 1
    assert first["polygon"] == [[0, 0], [0, 63], [edge, 63], [edge, 0]]
    # The way ahead is green from its first row.
    assert first["free"] == {
        "pixels": 0,
        "metres": None,
        "resolution_m": None,
        "blocked_by": "green",
    }
    assert [row["unknown"] for row in rows] == [0.0] * 3


def test_seg_run_without_stages_has_no_findings(model: Path, images: Path, tmp_path: Path) -> None:
    lines = tmp_path / "out.jsonl"
    assert main([str(model), str(images), "--jsonl", str(lines)]) == 0
    assert not {"polygon", "free"} & set(json.loads(lines.read_text().splitlines()[0]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--post", "sharpen"], "unknown stage 'sharpen'"),
        (["--post", "free", "--camera-model", "none.toml"], "none.toml: No such file"),
        (["--camera-model", "CAMERA"], "it needs --post free"),
        (["--post", "free", "--camera-model", "CAMERA"], "must have the same shape"),
    ],
)
def test_wrong_use_is_one_line(
    model: Path,
    images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    camera = tmp_path / "camera.toml"
    camera.write_text(
        "width = 100\nheight = 100\nfx = 80\nfy = 80.5\ncx = 50\ncy = 50\n"
        "height_m = 1.4\npitch_deg = 0\n"
    )
    places = {"CAMERA": str(camera)}
    assert main([str(model), str(images), *(places.get(word, word) for word in words)]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert len(told.splitlines()) == 1
