"""seg-data as a user types it, on good data and on each fault."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.data import open_dataset
from roadseg.data.cli import main
from roadseg.data.dataset import Sample
from roadseg.data.splits import split_groups
from roadseg.runtime.errors import DataError

Told = pytest.CaptureFixture[str]


@pytest.fixture
def copy(roads: Path, tmp_path: Path) -> Path:
    """A copy of the rendered roads to damage."""
    return Path(shutil.copytree(roads, tmp_path / "copy"))


def images(folder: Path) -> list[Path]:
    return sorted((folder / "images").rglob("*.png"))


def mask_of(image: Path) -> Path:
    return Path(str(image).replace("images", "masks"))


def test_what_is_written_is_read_again(roads: Path) -> None:
    rendered = open_dataset("synthetic:?n=12&per_scene=2&size=128x64&seed=4")
    read = open_dataset(str(roads))
    assert read.classes == rendered.classes
    assert read.licence == rendered.licence
    assert [s.name for s in read.samples] == [s.name for s in rendered.samples]
    assert read.groups == rendered.groups
    for a, b in zip(read.samples, rendered.samples, strict=True):
        for first, second in zip(read.load(a), rendered.load(b), strict=True):
            np.testing.assert_array_equal(first, second)


def test_good_data_has_no_faults(roads: Path, capsys: Told) -> None:
    assert main(["check", str(roads)]) == 0
    assert "12 images of 6 drives, 11 classes, no faults" in capsys.readouterr().out


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("not a picture")


def shrink(path: Path) -> None:
    cv2.imwrite(str(path), np.zeros((10, 12), np.uint8))


def strange(path: Path) -> None:
    mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    mask[5, 7] = 77
    cv2.imwrite(str(path), mask)


def colour(path: Path) -> None:
    cv2.imwrite(str(path), np.full((64, 128, 3), 9, np.uint8))


@pytest.mark.parametrize(
    ("what", "damage", "message"),
    [
        ("image", cut, "cut short"),
        ("image", empty, "the file is empty"),
        ("image", text, "not an image"),
        ("mask", cut, "cut short"),
        ("mask", empty, "the file is empty"),
        ("mask", shrink, "12x10, but its image is 128x64"),
        ("mask", strange, r"value 77 at (7, 5) is no class (1 pixels have none)"),
        ("mask", colour, "colour (9, 9, 9) at (0, 0) is no class"),
        ("mask", Path.unlink, "has no mask"),
        ("image", Path.unlink, "belongs to no image"),
    ],
)
def test_each_fault_is_named(
    copy: Path, capsys: Told, what: str, damage: object, message: str
) -> None:
    image = images(copy)[3]
    path = image if what == "image" else mask_of(image)
    damage(path)  # type: ignore[operator]
    assert main(["check", str(copy)]) == 1
    out, err = capsys.readouterr()
    named = image if message == "has no mask" else mask_of(image) if "no image" in message else path
    assert [line for line in out.splitlines() if message in line and str(named) in line]
    count = 2 if message == "belongs to no image" else 1  # the list in splits/ names it too
    assert len(out.splitlines()) == count
    assert f"{count} fault(s) in" in err


def test_a_drive_in_two_splits_is_a_fault(copy: Path, capsys: Told) -> None:
    names = images(copy)[:2]
    assert names[0].parent == names[1].parent
    (copy / "splits" / "test.txt").write_text("")
    for split, image in zip(("train", "val"), names, strict=True):
        name = image.relative_to(copy / "images").with_suffix("").as_posix()
        (copy / "splits" / f"{split}.txt").write_text(name)
    assert main(["check", str(copy)]) == 1
    assert "drive 'scene0000' is in train and val" in capsys.readouterr().out


def test_the_sheet_shows_images_beside_masks(roads: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert main(["show", str(roads), "--out", str(out), "--n", "3"]) == 0
    sheet = cv2.imread(str(out))
    assert sheet.shape[1] == 4 * 480 + 5 * 6
    dataset = open_dataset(str(roads))
    color = next(info.color for info in dataset.classes if info.name == "road")
    painted = sheet[200:240, 2 * 6 + 480 + 150 : 2 * 6 + 480 + 330].reshape(-1, 3).mean(0)
    plain = sheet[200:240, 6 + 150 : 6 + 330].reshape(-1, 3).mean(0)
    np.testing.assert_allclose(painted, 0.4 * plain + 0.6 * np.array(color[::-1]), atol=25)


def sample(name: str, group: str) -> Sample:
    return Sample(name, Path(name), None, group)


def test_drives_stay_whole_and_shares_are_near() -> None:
    random = np.random.default_rng(0)
    sizes = random.integers(5, 60, 30)
    samples = [sample(f"{g}_{n}", str(g)) for g, size in enumerate(sizes) for n in range(size)]
    splits = split_groups(samples, seed=3)
    assert sorted(itertools.chain(*splits.values())) == sorted(each.name for each in samples)
    groups = [{name.split("_")[0] for name in part} for part in splits.values()]
    assert sum(map(len, groups)) == 30
    shares = [len(part) / len(samples) for part in splits.values()]
    np.testing.assert_allclose(shares, [0.7, 0.15, 0.15], atol=0.02)
    assert splits == split_groups(samples, seed=3)
    assert splits != split_groups(samples, seed=4)


def test_few_drives_still_give_each_split_one() -> None:
    samples = [
        sample(f"{g}_{n}", g) for g, count in (("a", 90), ("b", 9), ("c", 1)) for n in range(count)
    ]
    assert {key: len(part) for key, part in split_groups(samples).items()} == {
        "train": 90,
        "val": 9,
        "test": 1,
    }
    two = [each for each in samples if each.group != "c"]
    assert {key: len(part) for key, part in split_groups(two, (8, 2, 0)).items()} == {
        "train": 90,
        "val": 9,
        "test": 0,
    }
    with pytest.raises(DataError, match=r"2 drive\(s\) cannot be split into 3 parts.*--by image"):
        split_groups(two)


def test_split_writes_lists_that_open(copy: Path, capsys: Told) -> None:
    assert main(["split", str(copy), "--ratios", "1,1,1", "--seed", "5"]) == 0
    assert "next: seg-train --data" in capsys.readouterr().out
    parts = [open_dataset(str(copy), split) for split in ("train", "val", "test")]
    assert [len(part.samples) for part in parts] == [4, 4, 4]
    assert main(["split", str(copy), "--by", "image"]) == 0
    assert len(open_dataset(str(copy), "train").samples) == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "nowhere"], "nowhere: there is no such data set; known are camvid:FOLDER"),
        (["check", "camvid:nowhere"], "there is no such folder"),
        (
            ["shuffle", "x"],
            "unknown command 'shuffle': known are check, convert, show, split, stats",
        ),
        (["check", "synthetic:?n=2&size=32x32", "--split", "extra"], "unknown split 'extra'"),
        (["split", "nowhere"], "there is no such data set"),
        (
            ["split", "synthetic:?n=2&size=32x32"],
            "divides a folder in the plain layout",
        ),
        (["split", "x", "--ratios", "nan,1,1"], "three shares"),
        (["split", "x", "--ratios", "1,2"], "three shares"),
        (["split", "x", "--by", "hand"], "unknown way to split 'hand'"),
        (["split", "x", "--seed", "-1"], "seed is -1: it must not be negative"),
        (["show", "x", "--n", "0"], "it must be at least 1"),
        (["check"], "the following arguments are required: DATA"),
    ],
)
def test_wrong_use(words: list[str], message: str, capsys: Told) -> None:
    assert main(words) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


def test_an_empty_data_set(tmp_path: Path, capsys: Told) -> None:
    assert main(["check", str(tmp_path)]) == 2
    assert "has no dataset.toml" in capsys.readouterr().err
    (tmp_path / "dataset.toml").write_text('[[classes]]\nname = "a"\ncolor = [1, 2, 3]\n')
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    assert main(["check", str(tmp_path)]) == 2
    assert "there are no images in it" in capsys.readouterr().err


def test_nothing_is_written_over_or_left_half(
    roads: Path, copy: Path, tmp_path: Path, capsys: Told
) -> None:
    assert main(["convert", str(roads), "--out", str(copy)]) == 2
    assert "is there already" in capsys.readouterr().err
    cut(images(copy)[5])
    out = tmp_path / "out"
    assert main(["convert", str(copy), "--out", str(out)]) == 2
    assert "cut short" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_the_command_by_its_former_name(roads: Path, tmp_path: Path, capsys: Told) -> None:
    assert main(["write", str(roads), "--out", str(tmp_path / "out")]) == 0
    assert "12 images of 6 drives" in capsys.readouterr().out


def test_converted_to_the_classes_of_a_label_map(roads: Path, tmp_path: Path, capsys: Told) -> None:
    words = ["convert", str(roads), "--out", str(tmp_path / "out"), "--map"]
    assert main([*words, "camvid_to_idd_lite"]) == 0
    before, after = open_dataset(str(roads)), open_dataset(str(tmp_path / "out"))
    assert [info.name for info in after.classes][:2] == ["drivable", "non-drivable"]
    old, new = (each.load(each.samples[0])[1] for each in (before, after))
    np.testing.assert_array_equal(new == 0, old == 3)
    short = tmp_path / "short.toml"
    short.write_text('source = "a"\ntarget = "idd_lite"\n[map]\nsky = "sky"\n')
    assert main([*words, str(short)]) == 2
    assert f"{short}:3: misses the class 'building'" in capsys.readouterr().err


def test_the_public_layouts(data_root: Path, tmp_path: Path, capsys: Told) -> None:
    for uri, count, drives in (("camvid", 468, 3), ("idd_lite", None, None)):
        dataset = open_dataset(f"{uri}:{data_root / uri}")
        assert count in (None, len(dataset.samples))
        assert drives in (None, len(dataset.groups))
        assert (
            main(["show", f"{uri}:{data_root / uri}", "--out", str(tmp_path / "s.png"), "--n", "2"])
            == 0
        )
        image, mask = dataset.load(dataset.samples[-1])
        assert image.shape[:2] == mask.shape
    assert main(["check", f"camvid:{data_root / 'camvid'}"]) == 0
    assert "468 images of 3 drives" in capsys.readouterr().out
