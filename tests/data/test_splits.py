"""Splits by drive: class shares match, near-duplicates stay together, and leaks are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.data import open_dataset
from roadseg.data.cli import main
from roadseg.data.dataset import Sample
from roadseg.data.near_duplicates import LIMIT, image_hash, near_pairs
from roadseg.data.splits import RATIOS, SPLITS, join_groups, split_groups
from roadseg.data.survey import survey

Told = pytest.CaptureFixture[str]


@pytest.fixture
def copy(roads: Path, tmp_path: Path) -> Path:
    """A copy of the rendered roads to change."""
    return Path(shutil.copytree(roads, tmp_path / "copy"))


def drives(
    seed: int, count: int = 60, thin: float = 0.2, most: int = 12
) -> tuple[list[Sample], np.ndarray]:
    """Drives of some images, each with mixtures of four classes of its own, the last one thin."""
    random = np.random.default_rng(seed)
    samples, pixels = [], []
    for drive in range(count):
        mixture = random.dirichlet([2.0, 1.0, 0.5, thin])
        for number in range(random.integers(2, most)):
            samples.append(Sample(f"{drive}_{number}", Path("x"), None, str(drive)))
            pixels.append(random.multinomial(10_000, mixture))
    return samples, np.array(pixels)


def shares(samples: list[Sample], pixels: np.ndarray, names: list[str]) -> np.ndarray:
    chosen = set(names)
    total = pixels[[sample.name in chosen for sample in samples]].sum(0)
    return total / total.sum()


@pytest.mark.parametrize("seed", range(5))
def test_each_split_has_its_share_of_each_class(seed: int) -> None:
    samples, pixels = drives(seed)
    whole = pixels.sum(0) / pixels.sum()
    splits = split_groups(samples, seed=seed, pixels=pixels)
    by_size = split_groups(samples, seed=seed)
    off, off_by_size = (
        max(np.abs(shares(samples, pixels, part[key]) / whole - 1).max() for key in SPLITS)
        for part in (splits, by_size)
    )
    assert off < 0.3
    assert off < 0.65 * off_by_size
    sizes = [len(splits[key]) / len(samples) for key in SPLITS]
    np.testing.assert_allclose(sizes, np.array(RATIOS) / sum(RATIOS), atol=0.02)
    groups = [{name.split("_")[0] for name in part} for part in splits.values()]
    assert sum(map(len, groups)) == 60


def test_a_class_that_few_drives_have() -> None:
    """Dealt greedily alone, its share would be off by 0.7."""
    samples, pixels = drives(4, thin=0.05)
    splits = split_groups(samples, seed=4, pixels=pixels)
    whole = pixels.sum(0) / pixels.sum()
    assert (
        max(np.abs(shares(samples, pixels, splits[key]) / whole - 1).max() for key in SPLITS) < 0.2
    )


@pytest.mark.parametrize("seed", range(8))
def test_no_split_is_left_empty_for_better_shares(seed: int) -> None:
    samples, pixels = drives(seed, count=3, most=8)
    assert all(split_groups(samples, pixels=pixels).values())
    two = split_groups(samples, (8, 2, 0), pixels=pixels)
    assert two["train"]
    assert two["val"]
    assert not two["test"]


def test_a_class_that_never_occurs() -> None:
    samples, pixels = drives(1)
    pixels[:, 2] = 0
    splits = split_groups(samples, pixels=pixels)
    assert sum(map(len, splits.values())) == len(samples)


def test_groups_are_joined_through_pairs() -> None:
    groups = ["a", "b", "c", "d", "e"]
    assert join_groups(groups, [(3, 1), (1, 4)]) == ["a", "b", "c", "b", "b"]
    assert join_groups(groups, []) == groups


def test_a_picture_again_is_a_near_duplicate_and_another_road_is_not() -> None:
    dataset = open_dataset("synthetic:?n=5&per_scene=1&size=160x96&seed=3")
    pictures = [dataset.load(sample)[0] for sample in dataset.samples]
    first = pictures[0]
    again = [
        cv2.resize(first, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        cv2.convertScaleAbs(first, alpha=1.1, beta=8),
        cv2.imdecode(cv2.imencode(".jpg", first, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 1),
    ]
    hashes = np.array([image_hash(each) for each in (*pictures, *again)])
    found = {(a, b) for a, b, bits in near_pairs(hashes) if bits <= LIMIT}
    assert {(0, 5), (0, 6), (0, 7)} <= found
    assert all(a in (0, 5, 6, 7) and b in (5, 6, 7) for a, b in found)


def test_pairs_are_those_of_a_plain_count() -> None:
    hashes = np.random.default_rng(0).random((1500, 16)) < 0.5  # more than a block
    found = {(a, b): bits for a, b, bits in near_pairs(hashes, 1)}
    differ = (hashes[:, None] != hashes[None]).sum(2)
    wanted = {(a, b): differ[a, b] for a, b in np.argwhere(differ <= 1).tolist() if a < b}
    assert found == wanted


def plant(folder: Path, source: str, target: str) -> None:
    """Put an image and mask of one drive, half as large, into another drive as 99.png."""
    for kind, how in (("images", cv2.INTER_AREA), ("masks", cv2.INTER_NEAREST)):
        pixels = cv2.imread(str(folder / kind / f"{source}.png"), cv2.IMREAD_UNCHANGED)
        small = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=how)
        cv2.imwrite(str(folder / kind / target / "99.png"), small)


def test_drives_that_share_a_picture_stay_together(copy: Path, capsys: Told) -> None:
    plant(copy, "scene0000/00", "scene0003")
    assert main(["split", str(copy), "--ratios", "1,1,1"]) == 0
    assert "1 group(s) joined to others" in capsys.readouterr().out
    home = {
        name: split
        for split in SPLITS
        for name in (copy / "splits" / f"{split}.txt").read_text().split()
    }
    assert home["scene0000/00"] == home["scene0003/99"] == home["scene0003/00"]
    assert main(["check", str(copy)]) == 0


def test_near_duplicates_in_two_splits_are_refused(copy: Path, capsys: Told) -> None:
    plant(copy, "scene0000/00", "scene0003")
    lists = {"train": ["scene0000/00", "scene0000/01"], "val": ["scene0003/99"], "test": []}
    for split, names in lists.items():
        (copy / "splits" / f"{split}.txt").write_text("\n".join(names))
    assert main(["check", str(copy)]) == 1
    out = capsys.readouterr().out
    assert "00.png in train and " in out
    assert "99.png in val are near-duplicates (" in out
    assert main(["stats", str(copy)]) == 0
    assert "near-duplicates between splits: 1" in capsys.readouterr().out


def test_an_image_in_two_splits_is_a_fault(copy: Path, capsys: Told) -> None:
    about = copy / "dataset.toml"
    about.write_text(f'group = "^nothing$"\n{about.read_text()}')
    (copy / "splits" / "val.txt").unlink()
    for split in ("train", "test"):
        (copy / "splits" / f"{split}.txt").write_text("scene0001/00\n")
    assert main(["check", str(copy)]) == 1
    assert "image 'scene0001_00' is in train and test" in capsys.readouterr().out


@pytest.mark.parametrize(("ratios", "splits"), [("1,1,1", SPLITS), ("1,1,0", SPLITS[:2])])
def test_the_split_tells_how_far_class_shares_are_apart(
    copy: Path, capsys: Told, ratios: str, splits: tuple[str, ...]
) -> None:
    assert main(["split", str(copy), "--ratios", ratios]) == 0
    out = capsys.readouterr().out
    found = survey(open_dataset(str(copy)))
    dataset = open_dataset(str(copy))
    row = {sample.name: number for number, sample in enumerate(dataset.samples)}
    worst = 0.0
    for split in splits:
        names = [sample.name for sample in open_dataset(str(copy), split).samples]
        total = found.pixels[[row[name] for name in names]].sum(0)
        worst = max(worst, float(np.abs(total / total.sum() - found.shares).max()))
    assert f"class shares differ by {worst * 100:.1f} points at most" in out
