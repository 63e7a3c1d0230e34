from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from roadseg.data import Dataset, open_dataset
from roadseg.data.class_sets import IDD_LITE_CLASSES
from roadseg.runtime.errors import DataError, UsageError
from roadseg.runtime.road_classes import ROAD_CLASSES
from roadseg.train.class_map import class_maps

CAMVID = [info.name for info in ROAD_CLASSES]


def dataset(name: str, classes: tuple[object, ...]) -> Dataset:
    return Dataset(name, classes, (), "", lambda sample: (np.empty(0), np.empty(0)))  # type: ignore[arg-type, return-value]


@pytest.fixture
def both() -> list[Dataset]:
    return [dataset("camvid", ROAD_CLASSES), dataset("idd_lite", IDD_LITE_CLASSES)]


def test_another_sets_classes_are_found_among_the_first_ones(both: list[Dataset]) -> None:
    camvid, idd = class_maps(both, (), "all")
    names = idd.label_names()
    told = {
        info.name: names[label] for info, label in zip(IDD_LITE_CLASSES, idd.table, strict=False)
    }
    assert told == {
        "drivable": "road",
        "non-drivable": "pavement",
        "living things": "pedestrian/bicyclist",
        "vehicles": "car",
        "road-side objects": "pole/sign/fence",
        "far objects": "building/tree",
        "sky": "sky",
    }
    assert names[:11] == CAMVID and idd.labels == 14
    assert (idd.table[7:] == 255).all()
    np.testing.assert_array_equal(camvid.table[:11], range(11))
    np.testing.assert_array_equal(camvid.groups, idd.groups)


def test_a_prediction_is_told_in_what_the_other_set_tells_apart(both: list[Dataset]) -> None:
    camvid, idd = class_maps(both, (), "all")
    names = idd.label_names()
    assert [names[label] for label in idd.label_of_class()] == [
        *("sky", "building/tree", "pole/sign/fence", "road", "pavement", "building/tree"),
        *("pole/sign/fence", "pole/sign/fence", "car", "pedestrian/bicyclist"),
        "pedestrian/bicyclist",
    ]
    np.testing.assert_array_equal(camvid.label_of_class(), range(11))
    assert idd.known.size == 7 and camvid.known.size == 11


def test_one_class_is_learned_from_all(both: list[Dataset]) -> None:
    camvid, idd = class_maps(both, (), "pedestrian")
    assert [info.name for info in idd.classes] == ["other", "pedestrian"]
    assert camvid.table[CAMVID.index("pedestrian")] == 1
    told = dict(zip([info.name for info in IDD_LITE_CLASSES], idd.table, strict=False))
    assert told["living things"] == 255  # may be either
    assert told["vehicles"] == 0
    assert not len(idd.groups)


def test_maps_lead_to_common_classes(both: list[Dataset]) -> None:
    camvid, idd = class_maps(both, ("camvid_to_road", "idd_lite_to_road"), "all")
    assert camvid.classes == idd.classes
    assert "lane mark" in [info.name for info in idd.classes]
    assert "drivable/lane mark" in camvid.label_names()


def test_sets_that_cannot_be_joined(both: list[Dataset], tmp_path: Path) -> None:
    other = dataset("mine", ROAD_CLASSES[:3])
    with pytest.raises(UsageError, match="no label map joins mine to camvid: give --label-maps"):
        class_maps([both[0], other], (), "all")
    with pytest.raises(UsageError, match="1 label maps for 2 data sets"):
        class_maps(both, ("camvid_to_road",), "all")
    with pytest.raises(DataError, match="is for idd_lite, not for camvid"):
        class_maps(both, ("idd_lite_to_road", "camvid_to_road"), "all")
    with pytest.raises(DataError, match=r"leads to 'road', .* to others"):
        class_maps(both, ("camvid_to_idd_lite", "idd_lite_to_road"), "all")
    same = dataclasses.replace(both[0], name="other_name")
    assert len(class_maps([both[0], same], (), "all")[1].groups) == 0


def test_real_masks_have_known_labels(data_root: Path) -> None:
    sets = [open_dataset(f"{name}:{data_root / name}", "train") for name in ("camvid", "idd_lite")]
    _, idd = class_maps(sets, (), "all")
    _, mask = sets[1].load(sets[1].samples[0])
    assert set(np.unique(idd.table[mask])) <= {*idd.known.tolist(), 255}
