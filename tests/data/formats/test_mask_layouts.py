"""Data sets whose labels are mask files: read, converted, and all of their classes kept."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.data import open_dataset
from roadseg.data.class_sets import CITYSCAPES_CLASSES, CITYSCAPES_TRAINED, IDD_CLASSES
from roadseg.data.cli import main
from roadseg.runtime.spec import IGNORE

HEIGHT, WIDTH = 12, 40
Told = pytest.CaptureFixture[str]


def ids(values: Sequence[int]) -> np.ndarray:
    """A mask (H, W) in which all of the values occur."""
    cycle = list(itertools.islice(itertools.cycle(values), HEIGHT * WIDTH))
    return np.array(cycle, np.uint8).reshape(HEIGHT, WIDTH)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def masks(uri: str, split: str = "all") -> list[np.ndarray]:
    dataset = open_dataset(uri, split)
    return [dataset.load(sample)[1] for sample in dataset.samples]


def cityscapes(folder: Path, kind: str, values: Sequence[int]) -> Path:
    for split, city in (("train", "aachen"), ("train", "bonn"), ("val", "ulm")):
        stem = f"{split}/{city}/{city}_000003_000019"
        write(folder / "leftImg8bit" / f"{stem}_leftImg8bit.png", picture())
        write(folder / "gtFine" / f"{stem}_gtFine_{kind}.png", ids(values))
    return folder


def test_cityscapes_by_label_id(tmp_path: Path) -> None:
    values = [*range(34), IGNORE]  # 255 is license plate, label id -1
    folder = cityscapes(tmp_path, "labelIds", values)
    dataset = open_dataset(f"cityscapes:{folder}")
    assert dataset.classes == CITYSCAPES_CLASSES
    assert dataset.groups == ("aachen", "bonn", "ulm")
    assert dataset.samples[0].name == "aachen_000003_000019"
    mask = dataset.load(dataset.samples[0])[1].ravel()[: len(values)]
    wanted = [CITYSCAPES_TRAINED.index(v) if v in CITYSCAPES_TRAINED else IGNORE for v in values]
    assert mask.tolist() == wanted
    assert len(open_dataset(f"cityscapes:{folder}", "val").samples) == 1


def test_all_the_labels_of_cityscapes_are_kept(tmp_path: Path) -> None:
    folder = cityscapes(tmp_path / "city", "labelIds", [*range(34), IGNORE])
    uri = f"cityscapes:{folder}?labels=all"
    assert main(["convert", uri, "--out", str(tmp_path / "plain")]) == 0
    stored = cv2.imread(
        str(tmp_path / "plain" / "masks" / "bonn" / "000003_000019.png"), cv2.IMREAD_UNCHANGED
    )
    original = next(folder.glob("gtFine/train/bonn/*.png"))
    np.testing.assert_array_equal(stored, cv2.imread(str(original), cv2.IMREAD_UNCHANGED))


def test_cityscapes_by_train_id_comes_first(tmp_path: Path) -> None:
    cityscapes(tmp_path, "labelIds", [7])
    cityscapes(tmp_path, "labelTrainIds", [*range(19), IGNORE])
    mask = masks(f"cityscapes:{tmp_path}")[0]
    np.testing.assert_array_equal(mask, ids([*range(19), IGNORE]))
    assert masks(f"cityscapes:{tmp_path}?labels=all")[0].max() == 7


def test_idd(tmp_path: Path) -> None:
    for drive in ("0", "173"):
        stem = f"train/{drive}/frame0029"
        write(tmp_path / "leftImg8bit" / f"{stem}_leftImg8bit.jpg", picture())
        write(tmp_path / "gtFine" / f"{stem}_gtFine_labellevel3Ids.png", ids([*range(26), 255]))
    dataset = open_dataset(f"idd:{tmp_path}", "train")
    assert dataset.classes == IDD_CLASSES
    assert [s.name for s in dataset.samples] == ["0_frame0029", "173_frame0029"]
    assert dataset.groups == ("0", "173")
    np.testing.assert_array_equal(masks(f"idd:{tmp_path}")[0], ids([*range(26), 255]))


def test_idd_by_polygons(tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="polygons are drawn with Pillow")
    write(tmp_path / "leftImg8bit" / "val" / "7" / "a_leftImg8bit.png", picture())
    labels = ("parking", "tunnel", "egovehicle", "cargroup")
    box = "[[{0}, 0], [{0}, 11], [{1}, 11], [{1}, 0]]"
    objects = [
        f'{{"label": "{label}", "polygon": {box.format(10 * n, 10 * n + 4)}}}'
        for n, label in enumerate((*labels[:2], "ego vehicle", labels[3]))
    ]
    path = tmp_path / "gtFine" / "val" / "7" / "a_gtFine_polygons.json"
    path.parent.mkdir(parents=True)
    path.write_text(f'{{"imgWidth": 40, "imgHeight": 12, "objects": [{", ".join(objects)}]}}')
    (mask,) = masks(f"idd:{tmp_path}", "val")
    names = [info.name for info in IDD_CLASSES]
    places = [names.index(name) for name in ("drivable fallback", "bridge", "car")]
    assert mask[5, [2, 12, 32]].tolist() == places
    assert mask[5, [22, 7]].tolist() == [IGNORE, IGNORE]
    path.write_text(path.read_text().replace("tunnel", "tunel"))
    dataset = open_dataset(f"idd:{tmp_path}")
    with pytest.raises(Exception, match=rf"^{path}: unknown label 'tunel'"):
        dataset.load(dataset.samples[0])


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ('[{"label": 5, "polygon": [[0, 0], [9, 0], [9, 9]]}]', "unknown label '5'"),
        ('["road"]', "object 0: not as in a file of polygons ("),
        ('[{"label": "road"}]', "object 0: not as in a file of polygons ('polygon' is missing)"),
        ('[{"label": "road", "polygon": [[1, 1]]}]', "object 0: a polygon of 1 points"),
        ('[{"label": "road", "polygon": [[1, 1], [1e9, 1]]}]', "object 0: a polygon with a point"),
        ('[], "imgHeight": 1e999', "not as in a file of polygons (cannot convert"),
        ('[], "imgHeight": -1', "not as in a file of polygons (an image of 40x-1)"),
    ],
)
def test_a_wrong_file_of_polygons(tmp_path: Path, objects: str, message: str, capsys: Told) -> None:
    pytest.importorskip("PIL", reason="polygons are drawn with Pillow")
    uri, path = polygons(tmp_path, objects)
    assert main(["check", uri]) == 1
    assert f"{path}: {message}" in capsys.readouterr().out


def test_polygons_that_reach_outside_are_cut_off_and_told(tmp_path: Path, capsys: Told) -> None:
    pytest.importorskip("PIL", reason="polygons are drawn with Pillow")
    inside, over = "[[0, 0], [9, 0], [9, 9]]", "[[-9, 0], [60, 0], [60, 9]]"
    entry = '{{"label": "road", "polygon": {}, "deleted": {}}}'
    uri, path = polygons(
        tmp_path,
        f"[{entry.format(inside, 0)}, {entry.format(over, 1)}, {entry.format(over, 0)}]",
    )
    assert main(["check", uri]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == [
        f"note: {path}: object 2 ('road') reaches outside the image: cut off"
    ]


def polygons(folder: Path, objects: str) -> tuple[str, Path]:
    write(folder / "leftImg8bit" / "val" / "ulm" / "a_leftImg8bit.png", picture())
    path = folder / "gtFine" / "val" / "ulm" / "a_gtFine_polygons.json"
    path.parent.mkdir(parents=True)
    path.write_text(f'{{"imgWidth": 40, "imgHeight": 12, "objects": {objects}}}')
    return f"cityscapes:{folder}", path


def test_bdd100k(tmp_path: Path) -> None:
    for split, name in (("train", "0000f77c-6257be58"), ("val", "7d06fefd-f7be05a6")):
        write(tmp_path / "images" / "10k" / split / f"{name}.jpg", picture())
        labels = tmp_path / "labels" / "sem_seg" / "masks" / split
        write(labels / f"{name}.png", ids([*range(19), IGNORE]))
    dataset = open_dataset(f"bdd100k:{tmp_path}")
    assert [sample.name for sample in dataset.samples] == [
        "0000f77c-6257be58",
        "7d06fefd-f7be05a6",
    ]
    np.testing.assert_array_equal(masks(f"bdd100k:{tmp_path}", "val")[0], ids([*range(19), 255]))


LAYOUTS = {
    "cityscapes": ("leftImg8bit/val/ulm/ulm_0_1_leftImg8bit", "gtFine/val/ulm/ulm_0_1_gtFine_{}"),
    "idd": ("leftImg8bit/val/7/f_1_leftImg8bit", "gtFine/val/7/f_1_gtFine_labellevel3Ids"),
    "idd_lite": ("leftImg8bit/val/7/f_1_image", "gtFine/val/7/f_1_label"),
    "bdd100k": ("images/10k/val/b1c9c847", "labels/sem_seg/masks/val/b1c9c847"),
    "camvid": ("val/images/0016E5_07959", "val/masks/0016E5_07959"),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_what_is_converted_is_the_same_data_set(tmp_path: Path, kind: str) -> None:
    image, mask = LAYOUTS[kind]
    write(tmp_path / "a" / f"{image}.jpg", picture())
    write(tmp_path / "a" / f"{mask.format('labelTrainIds')}.png", ids(range(7)))
    before = open_dataset(f"{kind}:{tmp_path / 'a'}")
    assert main(["convert", f"{kind}:{tmp_path / 'a'}", "--out", str(tmp_path / "b")]) == 0
    after = open_dataset(str(tmp_path / "b"))
    assert (after.name, after.classes) == (before.name, before.classes)
    first, second = before.samples[0], after.samples[0]
    assert (second.name, second.group) == (first.name, first.group)
    assert second.image.read_bytes() == first.image.read_bytes()
    np.testing.assert_array_equal(after.load(second)[1], ids(range(7)))


@pytest.mark.parametrize("kind", ["bdd100k", "idd", "idd_lite"])
def test_a_test_part_without_labels_is_left_out(tmp_path: Path, kind: str, capsys: Told) -> None:
    source, out = tmp_path / "a", tmp_path / "b"
    for number, split in enumerate(("train", "val", "test")):
        image, mask = (
            path.replace("val", split).replace("f_1", f"f_{number}").replace("b1", f"b{number}")
            for path in LAYOUTS[kind]
        )
        write(source / f"{image}.jpg", picture(number))
        if split != "test":
            write(source / f"{mask}.png", ids(range(7)))
    assert main(["convert", f"{kind}:{source}", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "1 image(s) without labels were left out" in told
    assert f"next: seg-data check {out}" in told
    for split in ("train", "val"):
        before, after = open_dataset(f"{kind}:{source}", split), open_dataset(str(out), split)
        assert [s.name for s in after.samples] == [s.name for s in before.samples]
    assert sorted(path.name for path in (out / "splits").glob("*.txt")) == ["train.txt", "val.txt"]
    words = ["convert", f"{kind}:{source}", "--split", "test", "--out", str(tmp_path / "c")]
    assert main(words) == 2
    assert "none of its images has labels to convert" in capsys.readouterr().err


def test_the_instances_of_idd_lite_are_not_read(tmp_path: Path, capsys: Told) -> None:
    write(tmp_path / "leftImg8bit" / "train" / "0" / "1_image.jpg", picture())
    for kind in ("label", "inst_label"):
        write(tmp_path / "gtFine" / "train" / "0" / f"1_{kind}.png", ids(range(7)))
    assert main(["check", f"idd_lite:{tmp_path}"]) == 0
    assert "1 images of 1 drives, 7 classes, no faults" in capsys.readouterr().out


def test_kitti_road(tmp_path: Path) -> None:
    colors = np.zeros((HEIGHT, WIDTH, 3), np.uint8)  # BGR
    colors[:4], colors[4:8] = (0, 0, 255), (255, 0, 255)
    for kind in ("um", "umm", "uu"):
        write(tmp_path / "training" / "image_2" / f"{kind}_000000.png", picture())
        write(tmp_path / "training" / "gt_image_2" / f"{kind}_road_000000.png", colors)
    write(tmp_path / "training" / "gt_image_2" / "um_lane_000000.png", colors[::-1])
    dataset = open_dataset(f"kitti_road:{tmp_path}")
    assert dataset.groups == ("um", "umm", "uu")
    assert dataset.strays == ()
    assert [info.drivable for info in dataset.classes] == [False, True]
    mask = masks(f"kitti_road:{tmp_path}")[0]
    assert mask[[0, 5, 11], 3].tolist() == [0, 1, IGNORE]


def test_the_masks_of_cvat(tmp_path: Path) -> None:
    lines = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nRoad:128,64,128::\ncar:9,8,7::\n"
    (tmp_path / "labelmap.txt").write_text(lines)
    colors = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colors[:4], colors[4:8] = (128, 64, 128), (7, 8, 9)
    for name in ("day/a", "night/b"):
        write(tmp_path / "JPEGImages" / f"{name}.jpg", picture())
        write(tmp_path / "SegmentationClass" / f"{name}.png", colors)
    listed = tmp_path / "ImageSets" / "Segmentation" / "train.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("night/b\n")
    dataset = open_dataset(f"cvat:{tmp_path}")
    assert [info.name for info in dataset.classes] == ["background", "road", "car"]
    assert dataset.groups == ("day", "night")
    assert masks(f"cvat:{tmp_path}")[0][[0, 5, 11], 3].tolist() == [1, 2, 0]
    assert [s.name for s in open_dataset(f"cvat:{tmp_path}", "train").samples] == ["night_b"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("background:0,0,0::\nroad:1,2::\n", ":2: not name:red,green,blue:parts:actions"),
        ("road:1,2,300::\n", ":1: not name:red"),
        ("road:1,2,3::\n\nroad:4,5,6::\n", ":3: 'road' is there twice"),
        ("# label:color_rgb:parts:actions\n", ": has no labels"),
        ("road:1,2,3::\n道路:4,5,6::\n", ":2: the label '道路' is no name of a class"),
    ],
)
def test_a_wrong_labelmap(tmp_path: Path, lines: str, message: str, capsys: Told) -> None:
    (tmp_path / "labelmap.txt").write_text(lines, encoding="utf-8")
    assert main(["check", f"cvat:{tmp_path}"]) == 2
    assert f"{tmp_path / 'labelmap.txt'}{message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("cityscapes:{}", "leftImg8bit: there is no such folder"),
        ("cityscapes:{}?labels=some", "unknown labels 'some': known are all, scored"),
        ("cityscapes:{}?label=all", "unknown option 'label': known are labels"),
        ("bdd100k:{}?x=1", "bdd100k has no options"),
        ("kitti_road:{}", "image_2: there is no such folder"),
        ("cvat:{}", "labelmap.txt: cannot be read"),
    ],
)
def test_what_is_not_there(tmp_path: Path, uri: str, message: str, capsys: Told) -> None:
    assert main(["check", uri.format(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
