"""seg-data stats: figures that were counted by hand, and a page that a browser shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from roadseg.data import open_dataset
from roadseg.data.cli import main
from roadseg.data.survey import survey

Told = pytest.CaptureFixture[str]
ABOUT = """name = "mine"
[[classes]]
name = "road"
color = [128, 64, 128]
[[classes]]
name = "other"
color = [0, 0, 0]
"""


def make(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for number, (name, size, roads) in enumerate(
        (("one/a", (20, 10), 50), ("one/b", (20, 10), 100), ("two/c", (10, 10), 20))
    ):
        mask = np.ones(size[0] * size[1], np.uint8)
        mask[:roads], mask[-10:] = 0, 255
        for kind, pixels in (
            ("images", random.integers(0, 255, (size[1], size[0], 3), np.uint8)),
            ("masks", mask.reshape(size[1], size[0])),
        ):
            path = folder / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels)
        split = folder / "splits" / f"{('train', 'train', 'val')[number]}.txt"
        split.parent.mkdir(exist_ok=True)
        split.write_text((split.read_text() if split.exists() else "") + f"{name}\n")
    (folder / "dataset.toml").write_text(ABOUT)
    return folder


def test_figures(tmp_path: Path, capsys: Told) -> None:
    assert main(["stats", str(make(tmp_path))]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "class train val",
        "road 39.47 % 22.22 %",  # 150 of 380, 20 of 90
        "other 60.53 % 77.78 %",
        "void: 6.00 % of all pixels",
        "images: 3",
        "sizes: 20x10 (2), 10x10 (1)",
        "train: 2 images of 1 drive(s), 2 to 2 images each",
        "val: 1 images of 1 drive(s), 1 to 1 images each",
        "drives in two splits: 0",
        "near-duplicates between splits: 0",
    ]


def test_what_is_not_split(tmp_path: Path, capsys: Told) -> None:
    folder = make(tmp_path)
    for path in (folder / "splits").iterdir():
        path.unlink()
    assert main(["stats", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "36.17 %" in out
    assert "not split: drives and near-duplicates are looked for between splits" in out


def test_a_layout_with_splits_of_its_own(tmp_path: Path, capsys: Told) -> None:
    for split, value in (("train", 3), ("val", 0)):
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
            pixels = np.full((8, 8, 3)[: 3 if kind == "images" else 2], value, np.uint8)
            cv2.imwrite(str(tmp_path / split / kind / f"{split}_0.png"), pixels)
    assert main(["stats", f"camvid:{tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert " ".join(out.splitlines()[4].split()) == "road 100.00 % 0.00 %"
    assert "near-duplicates between splits: 1" in out
    assert "drives in two splits: 0" in out


def test_a_drive_in_two_splits_is_told(tmp_path: Path, capsys: Told) -> None:
    folder = make(tmp_path)
    (folder / "splits" / "val.txt").write_text("one/b\ntwo/c\n")
    (folder / "splits" / "train.txt").write_text("one/a\n")
    assert main(["stats", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:-1] == ["drives in two splits: 1", "  drive 'one' is in train and val"]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (500, True)])
def test_the_page_in_a_browser(
    tmp_path: Path, look: Callable[..., dict[str, Any]], width: int, dark: bool
) -> None:
    page = tmp_path / "stats.html"
    assert main(["stats", str(make(tmp_path / "set")), "--out", str(page)]) == 0
    html = page.read_text()
    assert html.count('class="c0"') == 3  # two bars and their legend
    assert "39.47" in html
    seen = look(html, tmp_path, width, dark)
    assert seen["errors"] == []
    assert (seen["plots"], seen["flat"], seen["cut"]) == (1, 0, [])
    assert seen["wide"] <= 0


def test_an_image_without_labels_is_compared_like_one_with_them(tmp_path: Path) -> None:
    folder = make(tmp_path)
    with_labels = survey(open_dataset(str(folder))).hashes
    for mask in (folder / "masks").rglob("*.png"):
        mask.unlink()
    np.testing.assert_array_equal(survey(open_dataset(str(folder))).hashes, with_labels)


def test_a_sheet_of_images_without_labels(tmp_path: Path, capsys: Told) -> None:
    folder = make(tmp_path / "set")
    for mask in (folder / "masks").rglob("*.png"):
        mask.unlink()
    assert main(["show", str(folder), "--out", str(tmp_path / "sheet.png")]) == 2
    assert "none of its images has labels to show" in capsys.readouterr().err
