"""seg-data convert writes every image under its own name, whatever the names are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.data import Dataset, open_dataset
from roadseg.data.cli import main

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
