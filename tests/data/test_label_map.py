"""Label maps: every shipped one covers its data set; what is wrong is named by file and line."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.data import open_dataset
from roadseg.data.class_sets import CITYSCAPES_LABELS, CLASS_SETS, ROAD_SET
from roadseg.data.label_map import load_label_map, shipped_label_maps
from roadseg.runtime.errors import DataError, UsageError
from roadseg.runtime.road_classes import ROAD_CLASSES
from roadseg.runtime.spec import IGNORE, ClassInfo

GOOD = """source = "mine"
target = "road"

[map]
road = ["drivable", "lane mark"]
"wet road" = "drivable"
bonnet = []
"""
MINE = tuple(ClassInfo(name, (9, 9, n)) for n, name in enumerate(("road", "wet road", "bonnet")))


def write(folder: Path, text: str = GOOD) -> Path:
    path = folder / "mine_to_road.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", shipped_label_maps())
def test_a_shipped_map_covers_its_data_set(name: str) -> None:
    label_map = load_label_map(name)
    assert name == f"{label_map.source}_to_{label_map.target}"
    matrix = label_map.matrix(CLASS_SETS[label_map.source])
    assert matrix.shape == (len(CLASS_SETS[label_map.source]), len(CLASS_SETS[label_map.target]))
    assert matrix.any(1).all()
    # What is drivable in one set is drivable in the other.
    drivable = np.array([info.drivable for info in label_map.classes])
    for info, row in zip(CLASS_SETS[label_map.source], matrix, strict=True):
        assert drivable[row].all() == info.drivable, info.name


def test_all_the_labels_of_cityscapes_are_mapped() -> None:
    assert load_label_map("cityscapes_to_road").matrix(CITYSCAPES_LABELS).any(1).all()


def test_what_a_class_may_be(tmp_path: Path) -> None:
    label_map = load_label_map(write(tmp_path))
    assert label_map.classes == ROAD_SET
    matrix = label_map.matrix(MINE)
    assert matrix.dtype == bool
    assert matrix.tolist() == [[True, True, *[False] * 5], [True, *[False] * 6], [True] * 7]
    table = label_map.table(MINE)
    assert table[:4].tolist() == [IGNORE, 0, IGNORE, IGNORE]
    assert table[IGNORE] == IGNORE


def test_camvid_in_the_classes_of_idd_lite() -> None:
    table = load_label_map("camvid_to_idd_lite").table(ROAD_CLASSES)
    assert table[:12].tolist() == [6, 5, 4, 0, 1, 5, 4, 4, 3, 2, 2, IGNORE]


def test_a_data_set_is_read_in_the_target_classes(tmp_path: Path) -> None:
    for kind, pixels in (
        ("images", np.zeros((2, 11, 3), np.uint8)),
        ("masks", np.stack([np.arange(11), np.full(11, 11)]).astype(np.uint8)),
    ):
        (tmp_path / "train" / kind).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "train" / kind / "d_0.png"), pixels)
    dataset = load_label_map("camvid_to_road").apply(open_dataset(f"camvid:{tmp_path}"))
    assert dataset.classes == ROAD_SET
    travelled = pickle.loads(pickle.dumps(dataset))
    mask = travelled.load(dataset.samples[0])[1]
    assert mask.dtype == np.uint8
    assert mask[0].tolist() == [6, 5, 5, IGNORE, 2, 5, 5, 5, 3, 4, IGNORE]
    assert (mask[1] == IGNORE).all()


def test_a_target_with_its_own_classes(tmp_path: Path) -> None:
    own = '[[classes]]\nname = "road"\ncolor = [1, 2, 3]\ndrivable = true\n'
    path = write(tmp_path, f'source = "a"\ntarget = "b"\n{own}[map]\nroad = "road"\n')
    assert load_label_map(path).classes == (ClassInfo("road", (1, 2, 3), drivable=True),)


def test_a_class_that_the_map_misses(tmp_path: Path) -> None:
    path = write(tmp_path)
    extra = (*MINE, ClassInfo("tram", (0, 0, 0)))
    with pytest.raises(DataError, match=rf"^{path}:4: misses the class 'tram' of mine: add \"tram"):
        load_label_map(path).matrix(extra)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"wet road" = "drivable"', '"wet road" = "street"', ":6: 'street' is no class of road"),
        ('"lane mark"]', '"line"]', ":5: 'line' is no class of road: known are drivable, lane m"),
        ("bonnet = []", "bonnet = 7", ":7: 7 is not a class of road, nor a list"),
        ('"road"\n', '"street"\n', ":2: unknown target 'street': known are .* idd_lite"),
        ("[map]", "[maps]", ": 'map' is missing"),
        ('source = "mine"', "source = 3", ": 'source' is missing or of another type"),
        ("[map]", "[map", ": cannot be read"),
        ("[map]", "classes = []\n[map]", ": classes: there are none"),
        ("[map]", '[[classes]]\nname = "x"\n[map]', ": classes: 'color'"),
    ],
)
def test_a_wrong_map(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(DataError, match=rf"^{path}{message}"):
        load_label_map(path)


def test_a_map_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="unknown label map 'kitti_to_road'"):
        load_label_map("kitti_to_road")
    with pytest.raises(DataError, match=r"none.toml: cannot be read"):
        load_label_map("none.toml")
