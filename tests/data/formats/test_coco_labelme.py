"""COCO's and labelme's files: read as masks; what is wrong in them is named."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from annotated_picture import BOX, HEIGHT, OVER, WIDTH, image, masks, names

from roadseg.data import open_dataset
from roadseg.data.cli import main
from roadseg.runtime.spec import IGNORE

Told = pytest.CaptureFixture[str]
PICTURE = {"id": 5, "file_name": "monday/a.png", "width": WIDTH, "height": HEIGHT}


def coco(folder: Path, *segmentations: Any, **changes: Any) -> Path:
    image(folder / "images" / "monday" / "a.png")
    annotations = [
        {"id": 10 + n, "image_id": 5, "category_id": 3 + n % 2, "segmentation": each}
        for n, each in enumerate(segmentations)
    ]
    raw = {
        "images": [PICTURE],
        "annotations": annotations,
        "categories": [{"id": 4, "name": "car"}, {"id": 3, "name": "Road"}],
        "licenses": [{"name": "CC BY 4.0"}],
    }
    file = folder / "annotations" / "instances_default.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(raw | changes))
    return file


def test_coco_polygons_and_runs(tmp_path: Path) -> None:
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    hole[10:26, 14:34] = 1
    hole[14:20, 20:28] = 0
    flat = hole.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes, flat.size]).tolist()
    runs = {"size": [HEIGHT, WIDTH], "counts": counts}
    file = coco(tmp_path, [BOX, [30, 0, 36, 0, 36, 3, 30, 3]], runs)
    uri = f"coco:{file}"
    assert names(uri) == ["background", "road", "car"]
    dataset = open_dataset(uri)
    assert (dataset.samples[0].name, dataset.groups) == ("monday_a", ("monday",))
    assert dataset.licence == "CC BY 4.0"
    (mask,) = masks(uri)
    wanted = np.zeros((HEIGHT, WIDTH), np.uint8)
    wanted[4:20, 4:24] = wanted[0:3, 30:36] = 1
    wanted[hole == 1] = 2
    np.testing.assert_array_equal(mask, wanted)
    np.testing.assert_array_equal(masks(f"{uri}?background=void")[0], wanted.astype(int) - 1 & 255)
    assert names(f"{uri}?background=road") == ["road", "car"]


def test_a_later_shape_covers_an_earlier_one(tmp_path: Path) -> None:
    first = masks(f"coco:{coco(tmp_path / 'a', [BOX], [OVER])}")[0]
    second = masks(f"coco:{coco(tmp_path / 'b', [OVER], [BOX])}")[0]
    assert first[15, 20] == second[15, 20] == 2
    assert (first[5, 5], second[5, 5]) == (1, 2)


@pytest.mark.parametrize(
    ("segmentation", "changes", "message"),
    [
        ([BOX[:5]], {}, "annotation 10: a polygon that is not a list of x, y, x, y, …"),
        ([BOX[:4]], {}, "annotation 10: a polygon of 2 points"),
        ([], {}, "annotation 10: no polygon"),
        ({"size": [9, 9], "counts": [81]}, {}, "run lengths for 9x9, but the image is 40x30"),
        ({"size": [30, 40], "counts": [7]}, {}, "run lengths of 7 pixels for a box of 40x30"),
        ({"size": [30, 40], "counts": "é"}, {}, "a letter that is none of COCO's"),
        ([BOX], {"categories": [{"id": 9, "name": "x"}]}, "annotation 10: unknown category 3"),
        ([[*BOX, float("nan"), 3]], {}, "a point that is no number"),
        ([BOX], {"images": []}, "annotations of an image that is not listed, id 5"),
        ([BOX], {"images": 7}, "not a COCO file of annotations"),
        ([BOX], {"annotations": None}, "not a COCO file of annotations"),
        ([[*BOX, 1e12, 3]], {}, "a point more than 100000 pixels away"),
        ([BOX], {"licenses": ["CC BY"]}, "not a COCO file of annotations"),
        (
            [BOX],
            {"images": [{"id": 5, "file_name": "a.png", "width": "wide", "height": 3}]},
            "not a COCO file of annotations",
        ),
        (
            [BOX],
            {"images": [{"id": 5, "file_name": "monday/a.png", "width": -4, "height": 10**9}]},
            "-4x1000000000, but its image is 40x30",
        ),
        ([BOX], {"images": [PICTURE | {"file_name": ""}]}, "image 5: '' is not the file name"),
        ([BOX], {"images": [PICTURE | {"width": 1e999}]}, "not a COCO file of annotations"),
        (
            [BOX],
            {"images": [PICTURE, PICTURE | {"file_name": "b.png"}]},
            "the images 'monday/a.png' and 'b.png' have one id, 5",
        ),
        (
            [BOX],
            {"categories": [{"id": 3, "name": "road"}, {"id": 3, "name": "car"}]},
            "the categories 'road' and 'car' have one id, 3",
        ),
        ([BOX], {"categories": [{"id": 3, "name": 5}]}, "category 3: its name is no text: 5"),
        ([BOX], {"categories": [{"id": 3, "name": None}]}, "category 3: its name is no text"),
        ({"size": [30, 40], "counts": [1e999]}, {}, "annotation 10: cannot convert float inf"),
    ],
)
def test_a_wrong_coco_file(
    tmp_path: Path, segmentation: Any, changes: dict[str, Any], message: str, capsys: Told
) -> None:
    file = coco(tmp_path, segmentation, **changes)
    assert main(["check", f"coco:{file}"]) in (1, 2)
    out, err = capsys.readouterr()
    assert f"{file}: " in out + err
    assert message in out + err


def test_an_image_of_another_size_than_its_labels(tmp_path: Path, capsys: Told) -> None:
    file = coco(tmp_path, [BOX])
    cv2.imwrite(str(tmp_path / "images" / "monday" / "a.png"), np.zeros((9, 12, 3), np.uint8))
    assert main(["check", f"coco:{file}"]) == 1
    assert f"{file}: 40x30, but its image is 12x9" in capsys.readouterr().out


def test_images_of_one_name(tmp_path: Path, capsys: Told) -> None:
    twice = [
        {"id": n, "file_name": f"monday/a.{suffix}", "width": WIDTH, "height": HEIGHT}
        for n, suffix in ((5, "png"), (6, "jpg"))
    ]
    file = coco(tmp_path, [BOX], images=twice)
    assert main(["check", f"coco:{file}"]) == 2
    assert "has the same name as" in capsys.readouterr().err


def test_shapes_outside_the_image_are_cut_off_and_told(tmp_path: Path, capsys: Told) -> None:
    file = coco(tmp_path, [[-9, 4, 60, 4, 60, 20, -9, 20]], [BOX])
    assert masks(f"coco:{file}")[0][:, [0, 39]].sum(0).tolist() == [16, 16]
    assert main(["check", f"coco:{file}"]) == 0
    out = capsys.readouterr().out
    told = f"note: {file}: monday_a: shape 0 ('Road') reaches outside the image: cut off"
    assert told in out.splitlines()
    assert "no faults, 1 note(s)" in out
    assert main(["convert", f"coco:{file}", "--out", str(tmp_path / "plain")]) == 0
    assert "1 note(s) on shapes: seg-data check" in capsys.readouterr().out


def labelme(folder: Path, shapes: list[dict[str, Any]], **changes: Any) -> Path:
    image(folder / "drive1" / "a.jpg")
    raw = {"imagePath": "a.jpg", "imageWidth": WIDTH, "imageHeight": HEIGHT, "shapes": shapes}
    file = folder / "drive1" / "a.json"
    file.write_text(json.dumps(raw | changes))
    return file


def polygon(label: str, flat: list[int]) -> dict[str, Any]:
    return {"label": label, "points": np.reshape(flat, (-1, 2)).tolist(), "shape_type": "polygon"}


def test_labelme(tmp_path: Path) -> None:
    shapes = [polygon("Road", BOX), polygon("__ignore__", OVER), polygon("car", BOX[:6])]
    labelme(tmp_path, shapes)
    uri = f"labelme:{tmp_path}"
    assert names(uri) == ["background", "road", "car"]
    assert open_dataset(uri).groups == ("drive1",)
    (mask,) = masks(uri)
    assert mask[[28, 19, 24, 5], [1, 5, 30, 20]].tolist() == [0, 1, IGNORE, 2]


def test_labelme_with_the_image_inside(tmp_path: Path) -> None:
    file = labelme(tmp_path, [polygon("road", BOX)])
    picture = tmp_path / "drive1" / "a.jpg"
    raw = json.loads(file.read_text())
    raw["imageData"] = base64.b64encode(picture.read_bytes()).decode()
    file.write_text(json.dumps(raw))
    before = open_dataset(f"labelme:{tmp_path}")
    first = before.load(before.samples[0])[0]
    picture.unlink()
    np.testing.assert_array_equal(before.load(before.samples[0])[0], first)
    assert main(["convert", f"labelme:{tmp_path}", "--out", str(tmp_path / "plain")]) == 0
    plain = open_dataset(str(tmp_path / "plain"))
    np.testing.assert_array_equal(plain.load(plain.samples[0])[0], first)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"label": "a", "points": [[1, 2], [3, 4]]}, "shape 0: a polygon of 2 points"),
        ({"label": "a", "points": [[1, 2]], "shape_type": "star"}, "unknown kind, 'star'"),
        ({"label": "a", "points": [[1, "x"]]}, "shape 0: "),
        (polygon("a", [*BOX[:6], float("nan"), 3]), "a polygon with a point that is no number"),
        ({"points": [[1, 2]]}, "not a file of labelme ('label' is missing)"),
        ({"label": "a", "points": [], "shape_type": "mask", "mask": ""}, "a mask of 0 points"),
        (
            {"label": "a", "points": [[1e6, 1], [9, 9]], "shape_type": "circle"},
            "shape 0: a circle with a point more than 100000 pixels away",
        ),
    ],
)
def test_a_wrong_labelme_file(
    tmp_path: Path, shape: dict[str, Any], message: str, capsys: Told
) -> None:
    file = labelme(tmp_path, [shape])
    assert main(["check", f"labelme:{tmp_path}"]) in (1, 2)
    out, err = capsys.readouterr()
    assert f"{file}: " in out + err
    assert message in out + err


def test_a_labelme_file_with_a_size_that_is_none(tmp_path: Path, capsys: Told) -> None:
    file = labelme(tmp_path, [polygon("road", BOX)], imageWidth="wide")
    assert main(["check", f"labelme:{tmp_path}"]) == 1
    assert f"{file}: imageWidth and imageHeight are no numbers" in capsys.readouterr().out


def test_lines_and_points_are_drawn_and_told(tmp_path: Path, capsys: Told) -> None:
    kinds = ("line", [[4, 8], [30, 8]]), ("point", [[20, 20]]), ("circle", [[38, 20], [38, 26]])
    shapes = [{"label": "lane", "points": xy, "shape_type": kind} for kind, xy in kinds]
    file = labelme(tmp_path, shapes)
    assert masks(f"labelme:{tmp_path}")[0][[8, 20], [15, 24]].tolist() == [1, 1]
    assert main(["check", f"labelme:{tmp_path}"]) == 0
    where = f"note: {file}: drive1_a:"
    assert capsys.readouterr().out.splitlines()[:-1] == [
        f"{where} a line of 'lane' is no area: drawn 10 pixels wide",
        f"{where} a point of 'lane' is no area: drawn as a disc of radius 5",
        f"{where} shape 2 ('lane') reaches outside the image: cut off",
    ]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["道路", "行人"], "the label '行人' is no name of a class: rename it in letters a to z"),
        (["ciel é", "ciel è"], "the label 'ciel è' is no name of a class"),
        (["?", "road"], "the label '?' is no name of a class"),
        (["lane?", "lane!"], "the labels 'lane!' and 'lane?' would both be the class 'lane'"),
    ],
)
def test_labels_that_give_no_name_or_the_same(
    tmp_path: Path, labels: list[str], message: str, capsys: Told
) -> None:
    labelme(tmp_path, [polygon(label, BOX) for label in labels])
    assert main(["check", f"labelme:{tmp_path}"]) == 2
    assert f"{tmp_path}: {message}" in capsys.readouterr().err


def test_labels_that_differ_by_case_or_outer_space_are_one(tmp_path: Path) -> None:
    labelme(tmp_path, [polygon(label, BOX) for label in ("Road", " road", "lane mark!")])
    assert names(f"labelme:{tmp_path}") == ["background", "road", "lane mark"]


def test_a_coco_file_without_licences(tmp_path: Path) -> None:
    assert open_dataset(f"coco:{coco(tmp_path, [BOX], licenses=None)}").licence == ""


def test_json_that_is_none(tmp_path: Path, capsys: Told) -> None:
    file = labelme(tmp_path, [])
    file.write_text('{"shapes": [\n  {"label": }\n]}')
    assert main(["check", f"labelme:{tmp_path}"]) == 2
    assert f"{file}:2: not JSON" in capsys.readouterr().err


def test_labelme_without_pillow(
    tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelme(tmp_path, [polygon("road", BOX)])
    monkeypatch.setitem(sys.modules, "PIL", None)
    out = tmp_path / "plain"
    assert main(["convert", f"labelme:{tmp_path}", "--out", str(out)]) == 2
    assert "needs pillow, which is not installed: pip install 'roadseg[data]'" in (
        capsys.readouterr().err
    )
    assert not out.exists()


def test_labels_of_the_stored_pixels_of_a_turned_image(tmp_path: Path, capsys: Told) -> None:
    file = labelme(tmp_path, [polygon("road", BOX)])
    picture = file.with_suffix(".jpg")
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    plain = picture.read_bytes()
    size = (len(exif) + 2).to_bytes(2, "big")
    picture.write_bytes(plain[:2] + b"\xff\xe1" + size + exif + plain[2:])
    assert main(["check", f"labelme:{tmp_path}"]) == 1
    assert "turned upright by its EXIF orientation: label the image as" in capsys.readouterr().out
