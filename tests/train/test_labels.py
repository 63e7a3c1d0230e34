from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from roadseg.runtime.errors import DataError, UsageError
from roadseg.train.labels import open_splits


def test_holdout_takes_drives_out_of_training(blocks: Path) -> None:
    (training,), (validation,) = open_splits([str(blocks)], "all", "val", ("b",), "all")
    assert training.groups == ("a", "c")
    assert validation.groups == ("b",)
    names = {sample.name for sample in training.samples}
    assert not names & {sample.name for sample in validation.samples}
    assert (len(training), len(validation)) == (12, 4)


def test_one_class_against_all_others(blocks: Path) -> None:
    (whole,), _ = open_splits([str(blocks)], "train", "val", (), "all")
    (alone,), _ = open_splits([str(blocks)], "train", "val", (), "road")
    assert [info.name for info in alone.classes.classes] == ["other", "road"]
    mask, binary = whole[0][1], alone[0][1]
    np.testing.assert_array_equal(binary == 1, mask == 0)
    np.testing.assert_array_equal(binary == 255, mask == 255)


def test_class_shares_leave_void_out(blocks: Path) -> None:
    (training,), _ = open_splits([str(blocks)], "train", "val", (), "all")
    masks = np.stack([mask for _, mask in training])
    shares = training.class_shares()
    assert shares.sum() == pytest.approx(1)
    assert shares[2] == pytest.approx((masks == 2).sum() / (masks != 255).sum())


def test_images_are_read_once_while_there_is_room(blocks: Path) -> None:
    (training,), _ = open_splits([str(blocks)], "train", "val", (), "all")
    assert training[0][0] is training[0][0]
    training._room = 0
    assert training[1][0] is not training[1][0]
    np.testing.assert_array_equal(training[1][0], training[1][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"holdout": ("d",)}, "unknown group 'd': known are a, b"),
        ({"holdout": ("a", "b")}, "no labelled image to train on with a, b held out"),
        ({"choice": "sky"}, "unknown class 'sky': known are all, car, grass, road"),
        ({"val_split": "test"}, "test"),
    ],
)
def test_what_cannot_be_split_is_told(
    blocks: Path, change: dict[str, tuple[str, ...]], message: str
) -> None:
    known = {"split": "train", "val_split": "val", "holdout": (), "choice": "all"}
    with pytest.raises((DataError, UsageError)) as caught:
        open_splits([str(blocks)], **{**known, **change})  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_only_the_first_set_must_be_validated(blocks: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(blocks, other)
    (other / "splits" / "val.txt").unlink()
    training, validation = open_splits([str(blocks), str(other)], "train", "val")
    assert [len(part) for part in training] == [12, 12]
    assert [len(part) for part in validation] == [4]
    with pytest.raises(DataError, match="there is no such split"):
        open_splits([str(other), str(blocks)], "train", "val")
    _, held = open_splits([str(blocks), str(other)], "all", "val", ("b",))
    assert [len(part) for part in held] == [4, 4]


def test_drives_of_another_set_leave_the_first_its_split(blocks: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(blocks, other)
    for path in list(other.rglob("b_*.png")):
        path.rename(path.with_name(path.name.replace("b_", "y_")))
    names = other / "splits" / "train.txt"
    names.write_text(names.read_text().replace("b_", "y_"))
    training, validation = open_splits([str(blocks), str(other)], "train", "val", ("y",))
    assert [part.groups for part in training] == [("a", "b"), ("a",)]
    assert [part.groups for part in validation] == [("c",), ("y",)]
