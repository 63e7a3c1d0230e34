"""dataset.toml: what it may say, and what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.data import open_dataset
from roadseg.data.plain import read_about
from roadseg.data.splits import read_splits
from roadseg.runtime.errors import DataError

CLASSES = """
[[classes]]
name = "road"
color = [10, 20, 30]
drivable = true
[[classes]]
name = "other"
color = [0, 0, 0]
"""


def make(folder: Path, mask: np.ndarray, about: str = CLASSES, name: str = "d1_000") -> Path:
    for kind, pixels in (("images", np.full((8, 6, 3), 50, np.uint8)), ("masks", mask)):
        path = folder / kind / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels)
    (folder / "dataset.toml").write_text(about)
    return folder


def load(folder: Path) -> np.ndarray:
    dataset = open_dataset(str(folder))
    return dataset.load(dataset.samples[0])[1]


def test_ids_ignore_values_and_groups(tmp_path: Path) -> None:
    mask = np.zeros((8, 6), np.uint8)
    mask[1], mask[2] = 1, 200
    make(tmp_path, mask, f'name = "mine"\nignore = [200]\ngroup = "^([^_]+)_"\n{CLASSES}')
    dataset = open_dataset(str(tmp_path))
    assert (dataset.name, dataset.groups, dataset.licence) == ("mine", ("d1",), "")
    assert dataset.classes[0].drivable
    assert load(tmp_path)[:4, 0].tolist() == [0, 1, 255, 0]


def test_colours_instead_of_ids(tmp_path: Path) -> None:
    mask = np.zeros((8, 6, 3), np.uint8)
    mask[3] = (30, 20, 10)  # OpenCV writes BGR
    assert load(make(tmp_path, mask))[2:5, 0].tolist() == [1, 0, 1]


def test_colours_that_two_classes_share(tmp_path: Path) -> None:
    about = CLASSES.replace("0, 0, 0", "10, 20, 30")
    ids = np.ones((8, 6), np.uint8)
    assert load(make(tmp_path / "ids", ids, about)).min() == 1
    colors = np.full((8, 6, 3), (30, 20, 10), np.uint8)
    with pytest.raises(
        DataError, match=r"d1_000.png: .* 'road' and 'other' are both \(10, 20, 30\)"
    ):
        load(make(tmp_path / "colours", colors, about))


def test_sub_folders_are_drives(tmp_path: Path) -> None:
    make(tmp_path, np.zeros((8, 6), np.uint8), name="monday/a")
    make(tmp_path, np.zeros((8, 6), np.uint8), name="friday/a")
    dataset = open_dataset(str(tmp_path))
    assert dataset.groups == ("friday", "monday")
    assert [sample.name for sample in dataset.samples] == ["friday_a", "monday_a"]


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ("name = ", "cannot be read"),
        ('name = "x"\n', "'classes' is missing"),
        ('[[classes]]\nname = "road"\n', "'color' is missing"),
        ('[[classes]]\nname = "road"\ncolor = [1, 2, 300]\n', "road"),
        (CLASSES.replace("10, 20, 30", "0.5, 0.25, 0.5"), "'road': colour .* not three whole"),
        (f"colour = 3\n{CLASSES}", "unknown key 'colour'"),
        (f'group = "("\n{CLASSES}', "unterminated|missing"),
        (f'ignore = "none"\n{CLASSES}', "invalid literal"),
        (f"ignore = [255, 256]\n{CLASSES}", r"ignore is \[255, 256\]: values .* 0 to 255"),
        (f"ignore = -1\n{CLASSES}", "ignore is -1"),
        ("classes = []\n", "0 classes: a mask of 8 bits takes 1 to 255"),
        (
            "".join(f'[[classes]]\nname = "c{n}"\ncolor = [1, 2, 3]\n' for n in range(256)),
            "256 classes",
        ),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, about: str, message: str) -> None:
    path = tmp_path / "dataset.toml"
    path.write_text(about)
    with pytest.raises(DataError, match=rf"{path}.*({message})"):
        read_about(path)


def test_two_images_of_one_name_and_unknown_names_in_splits(tmp_path: Path) -> None:
    make(tmp_path, np.zeros((8, 6), np.uint8))
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "train.txt").write_text("d1_000\nd9_000\n")
    with pytest.raises(DataError, match="'d9_000' is no image"):
        open_dataset(str(tmp_path), "train")
    with pytest.raises(DataError, match=r"no such split: seg-data split"):
        open_dataset(str(tmp_path), "val")
    cv2.imwrite(str(tmp_path / "images" / "d1_000.jpg"), np.zeros((8, 6, 3), np.uint8))
    with pytest.raises(DataError, match="the same name as d1_000"):
        open_dataset(str(tmp_path))


def test_a_mask_of_16_bits(tmp_path: Path) -> None:
    folder = make(tmp_path, np.zeros((8, 6), np.uint16))
    with pytest.raises(DataError, match="uint16 values; a mask has 8 bits"):
        load(folder)


def test_a_group_that_not_every_name_has(tmp_path: Path) -> None:
    for name in ("d1_000", "drive2_000"):
        about = f'group = "(?:drive([0-9]+)_)?"\n{CLASSES}'
        make(tmp_path, np.zeros((8, 6), np.uint8), about, name)
    assert open_dataset(str(tmp_path)).groups == ("", "2")


def test_a_list_of_names_that_is_no_text(tmp_path: Path) -> None:
    make(tmp_path, np.zeros((8, 6), np.uint8))
    (tmp_path / "splits").mkdir()
    path = tmp_path / "splits" / "train.txt"
    path.write_bytes(b"d1_000\n\xff\xfe")
    with pytest.raises(DataError, match=f"{path}: cannot be read"):
        open_dataset(str(tmp_path), "train")
    with pytest.raises(DataError, match=f"{path}: cannot be read"):
        read_splits(tmp_path)


def test_the_home_of_a_user_who_is_not_here() -> None:
    for uri in ("~nobody-of-this-name/roads", "camvid:~nobody-of-this-name/roads"):
        with pytest.raises(DataError, match="there is no such"):
            open_dataset(uri)
