"""seg-data convert writes every image under its own name, whatever the names are."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.data import Dataset, open_dataset
from roadseg.data.cli import main

Told = pytest.CaptureFixture[str]
ABOUT = """
[[classes]]
name = "road"
color = [1, 2, 3]
[[classes]]
name = "other"
color = [0, 0, 0]
"""


def make(folder: Path, *names: str) -> Path:
    """A folder in the plain layout; the first image is of value 0, the second of value 1, …"""
    for number, name in enumerate(names):
        for kind, pixels in (
            ("images", np.full((8, 6, 3), number, np.uint8)),
            ("masks", np.full((8, 6), number % 2, np.uint8)),
        ):
            path = folder / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    (folder / "dataset.toml").write_text(ABOUT)
    return folder


def values(dataset: Dataset) -> dict[str, int]:
    return {sample.name: int(dataset.load(sample)[0][0, 0, 0]) for sample in dataset.samples}


@pytest.mark.parametrize(
    "names",
    [
        ("1633.123", "1633.456"),  # seconds and their fraction
        ("town/north/0001", "town/north/0002", "town/south/0001"),
        ("weg_über_die_brücke", "道路"),
    ],
)
def test_names_and_drives_stay(tmp_path: Path, names: tuple[str, ...]) -> None:
    first = make(tmp_path / "first", *names)
    assert main(["convert", str(first), "--out", str(tmp_path / "again")]) == 0
    before, after = open_dataset(str(first)), open_dataset(str(tmp_path / "again"))
    assert values(after) == values(before)
    assert len(values(after)) == len(names)
    assert after.groups == before.groups
    assert after.strays == ()


def test_a_name_that_json_would_write_as_two_surrogates(tmp_path: Path) -> None:
    folder = make(tmp_path / "🚗 roads", "a")
    assert main(["convert", str(folder), "--out", str(tmp_path / "again")]) == 0
    assert open_dataset(str(tmp_path / "again")).name == "🚗 roads"


def test_into_the_folder_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, here = make(tmp_path / "first", "a", "b"), tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert main(["convert", str(folder), "--out", "."]) == 0
    assert len(open_dataset(".").samples) == 2
    assert sorted(path.name for path in here.iterdir()) == ["dataset.toml", "images", "masks"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "here"]


def test_an_image_that_the_plain_layout_does_not_read_is_written_as_png(tmp_path: Path) -> None:
    images = []
    for number, name in enumerate(("a.ppm", "b.png")):
        cv2.imwrite(str(tmp_path / name), np.full((8, 6, 3), number, np.uint8))
        images.append({"id": number, "file_name": name, "width": 6, "height": 8})
    shape = {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [[0, 0, 5, 0, 5, 5]]}
    raw = {"images": images, "annotations": [shape], "categories": [{"id": 1, "name": "road"}]}
    (tmp_path / "c.json").write_text(json.dumps(raw))
    assert main(["convert", f"coco:{tmp_path / 'c.json'}", "--out", str(tmp_path / "out")]) == 0
    after = open_dataset(str(tmp_path / "out"))
    assert values(after) == {"a": 0, "b": 1}
    assert after.strays == ()


def write_lists(folder: Path, **names: str) -> None:
    (folder / "splits").mkdir(exist_ok=True)
    for split, name in names.items():
        (folder / "splits" / f"{split}.txt").write_text(f"{name}\n")


def test_lists_and_conditions_stay(tmp_path: Path, capsys: Told) -> None:
    folder, out = make(tmp_path / "first", "d1_day1", "d2_night1", "d3_1"), tmp_path / "out"
    about = folder / "dataset.toml"
    about.write_text(f'group = "^([^_]+)_"\ncondition = "_(day|night)"\n{ABOUT}')
    write_lists(folder, train="d1_day1", val="d2_night1", drives="d3_1")
    out.mkdir()
    assert main(["convert", str(folder), "--out", str(out)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [f"3 images of 3 drives, 2 classes in {out}", f"next: seg-data check {out}"]
    for split in ("all", "train", "val", "drives"):
        before, after = (
            [(s.name, s.group, s.condition) for s in open_dataset(str(each), split).samples]
            for each in (folder, out)
        )
        assert after == before
    assert main(["convert", str(folder), "--split", "train", "--out", str(tmp_path / "part")]) == 0
    assert f"next: seg-data split {tmp_path / 'part'}" in capsys.readouterr().out
    assert not (tmp_path / "part" / "splits").exists()


def test_a_condition_that_names_do_not_tell_is_left_out_and_told(
    tmp_path: Path, capsys: Told
) -> None:
    folder = make(tmp_path / "first", "day_d1_night1", "day_d1_day1")
    (folder / "dataset.toml").write_text(f'condition = "_d1_(day|night)"\n{ABOUT}')
    assert main(["convert", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert "conditions (day, night) were left out: no name tells them" in capsys.readouterr().out


def test_a_list_of_names_without_an_image_is_refused(tmp_path: Path, capsys: Told) -> None:
    folder = make(tmp_path / "first", "a", "b")
    write_lists(folder, train="a", val="b.png")
    assert main(["convert", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert f"val.txt: 'b.png' is no image in {folder / 'images'}" in capsys.readouterr().err
    assert main(["check", str(folder)]) == 1
    assert "val.txt: 'b.png' is no image in" in capsys.readouterr().out


def test_what_published_splits_share_is_a_note(tmp_path: Path, capsys: Told) -> None:
    source, out = tmp_path / "camvid", str(tmp_path / "out")
    for split, name in (("train", "0_0"), ("val", "0_1")):
        for kind in ("images", "masks"):
            (source / split / kind).mkdir(parents=True)
            pixels = np.zeros((8, 8, 3)[: 3 if kind == "images" else 2], np.uint8)
            cv2.imwrite(str(source / split / kind / f"{name}.png"), pixels)
    assert main(["convert", f"camvid:{source}", "--out", out]) == 0
    for uri in (f"camvid:{source}", out):
        capsys.readouterr()
        assert main(["check", uri]) == 0
        told = capsys.readouterr().out
        assert f"note: {uri}: drive '0' is in train and val" in told
        assert "are near-duplicates (0 of 256 bits differ)" in told
        assert "no faults, 2 note(s)" in told
    assert main(["split", out, "--by", "image", "--ratios", "1,0,0"]) == 0
    write_lists(Path(out), val="0/1")
    assert main(["check", out]) == 1
