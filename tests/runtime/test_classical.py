"""Classical baselines: engines like the others, without a network."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from roadseg.runtime.classical import METHODS, is_classical
from roadseg.runtime.classical.prior import evidence, main_piece, trapezoid
from roadseg.runtime.cli import main
from roadseg.runtime.decode import decode
from roadseg.runtime.engines import open_engine
from roadseg.runtime.errors import MissingExtra, ModelError, UsageError
from roadseg.runtime.options import Size

WIDTH, HEIGHT = 160, 96
Capture = pytest.CaptureFixture[str]


@pytest.fixture(params=sorted(METHODS))
def method(request: pytest.FixtureRequest) -> str:
    package = METHODS[str(request.param)].package
    pytest.importorskip(package, reason=f"{package} is not installed")
    return str(request.param)


def street() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A grey road with grain between green fields under a blue sky (RGB), and where it is."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = (50, 90, 40)
    picture[: HEIGHT // 2] = (120, 170, 230)
    road = np.zeros((HEIGHT, WIDTH), np.uint8)
    corners = np.array([(10, HEIGHT), (150, HEIGHT), (88, HEIGHT // 2), (72, HEIGHT // 2)])
    cv2.fillPoly(road, [corners.astype(np.int32)], (1,))
    picture[road > 0] = (110, 110, 112)
    grain = np.random.default_rng(0).integers(-4, 5, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8), road > 0


def test_the_road_is_found(method: str) -> None:
    engine = open_engine(f"classical:{method}", size=Size(WIDTH, HEIGHT))
    picture, road = street()
    engine.input[:] = picture
    mask = decode(engine.infer(), np.empty((HEIGHT, WIDTH), np.uint8))
    found = mask == 0
    assert engine.spec.class_names == ("road", "other")
    assert (found & road).sum() / (found | road).sum() > 0.85


def test_an_engine_like_the_others(method: str) -> None:
    engine = open_engine(f"classical:{method}", size=Size(WIDTH, HEIGHT))
    assert engine.name == "classical"
    assert engine.input.shape == (HEIGHT, WIDTH, 3)
    engine.input[:] = street()[0]
    first = engine.infer()
    assert (first.shape, first.dtype) == ((2, HEIGHT, WIDTH), np.float32)
    np.testing.assert_array_equal(first[0], -first[1])
    before = first.copy()
    again = engine.infer()
    assert np.shares_memory(first, again)
    np.testing.assert_array_equal(before, again)  # seeded
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.infer()


@pytest.mark.parametrize("level", [0, 255])
def test_a_picture_of_nothing(method: str, level: int) -> None:
    engine = open_engine(f"classical:{method}", size=Size(64, 48))
    engine.input[:] = level
    assert np.isfinite(engine.infer()).all()


def test_the_road_is_the_piece_before_the_car() -> None:
    likely = np.zeros((96, 160), bool)
    likely[50:96, 50:110] = True
    likely[50:96, 130:150] = True  # another piece
    likely[0:20] = True  # above the horizon
    found = evidence(likely) > 0
    assert found[80, 80]
    assert not found[80, 140]
    assert not found[10, 80]


def test_no_piece_before_the_car_is_no_road() -> None:
    elsewhere = np.asarray(1 - trapezoid(96, 160), np.uint8)
    assert elsewhere.any()
    assert not main_piece(elsewhere).any()


@pytest.mark.parametrize(
    ("model", "options", "error", "words"),
    [
        ("classical:magic", {}, UsageError, "unknown classical method 'magic': known are canny"),
        ("classical:otsu", {"engine": "openvino"}, UsageError, "does not run on openvino"),
        ("classical:otsu", {"size": Size(65, 48)}, ModelError, "multiples of 16"),
    ],
)
def test_what_is_refused(
    model: str, options: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        open_engine(model, **options)  # type: ignore[arg-type]


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"needs scikit-image.*roadseg\[classical\]"):
        open_engine("classical:watershed")


def test_masks_of_a_folder(images: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "masks"
    assert main(["classical:otsu", str(images), "--masks", str(out)]) == 0
    assert len(list(out.glob("*.png"))) == 3
    assert "classical:otsu" in capsys.readouterr().out


def test_a_baseline_alone_has_no_source(capsys: Capture) -> None:
    assert is_classical("classical:otsu")
    assert main(["classical:otsu"]) == 2
    assert "is a model: give a source too" in capsys.readouterr().err
