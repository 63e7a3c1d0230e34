"""Labelling tools' files: read as masks; what is wrong in them is named."""

from __future__ import annotations

import base64
import csv
import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from roadseg.data import open_dataset
from roadseg.data.cli import main
from roadseg.data.formats.painted import voc_color
from roadseg.runtime.spec import IGNORE

HEIGHT, WIDTH = 30, 40
Told = pytest.CaptureFixture[str]
BOX = [4, 4, 24, 4, 24, 20, 4, 20]  # x 4 to 24, y 4 to 20
OVER = [14, 10, 34, 10, 34, 26, 14, 26]


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def masks(uri: str) -> list[np.ndarray]:
    dataset = open_dataset(uri)
    read = pickle.loads(pickle.dumps(dataset.read))  # as a data loader's workers get it
    return [read(sample)[1] for sample in dataset.samples]


def names(uri: str) -> list[str]:
    return [info.name for info in open_dataset(uri).classes]


def coco(folder: Path, *segmentations: Any, **changes: Any) -> Path:
    image(folder / "images" / "monday" / "a.png")
    annotations = [
        {"id": 10 + n, "image_id": 5, "category_id": 3 + n % 2, "segmentation": each}
        for n, each in enumerate(segmentations)
    ]
    listed = [{"id": 5, "file_name": "monday/a.png", "width": WIDTH, "height": HEIGHT}]
    raw = {
        "images": listed,
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
    assert "1 shape(s) were cut off or left out: seg-data check" in capsys.readouterr().out


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
        ({"points": [[1, 2]]}, "not a file of labelme ('label' is missing)"),
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


def test_json_that_is_none(tmp_path: Path, capsys: Told) -> None:
    file = labelme(tmp_path, [])
    file.write_text('{"shapes": [\n  {"label": }\n]}')
    assert main(["check", f"labelme:{tmp_path}"]) == 2
    assert f"{file}:2: not JSON" in capsys.readouterr().err


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><job><labels>
  <label><name>Road</name><color>#804080</color></label>
  <label><name>car</name><color>#000c8e</color></label>
</labels></job></meta>
<image id="0" name="monday/a.png" width="40" height="30">{}</image></annotations>
"""


def cvat(folder: Path, *shapes: str) -> str:
    image(folder / "images" / "monday" / "a.png")
    (folder / "annotations.xml").write_text(CVAT.format("\n".join(shapes)))
    return f"cvat:{folder / 'annotations.xml'}"


def points(flat: list[int]) -> str:
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in np.reshape(flat, (-1, 2)).tolist())


def test_cvat(tmp_path: Path, capsys: Told) -> None:
    uri = cvat(
        tmp_path,
        f'<polygon label="car" source="manual" points="{points(OVER)}" z_order="1"/>',
        f'<polygon label="Road" points="{points(BOX)}" z_order="0"/>',
        '<box label="car" xtl="0" ytl="0" xbr="3" ybr="3" z_order="0"/>',
        '<ellipse label="Road" cx="34" cy="5" rx="4" ry="3" z_order="0"/>',
        '<mask label="car" rle="1, 2, 3" left="2" top="27" width="3" height="2" z_order="0"/>',
        '<polyline label="Road" points="1,1;5,5" z_order="0"/>',
    )
    dataset = open_dataset(uri)
    assert [(c.name, c.color) for c in dataset.classes][1:] == [
        ("road", (128, 64, 128)),
        ("car", (0, 12, 142)),
    ]
    (mask,) = masks(uri)
    assert mask[[15, 5], [20, 5]].tolist() == [2, 1]  # the highest z_order covers
    assert (mask[:4, :4] == 2).sum() == 9
    assert abs(int((mask[:9, 29:] == 1).sum()) - np.pi * 12) < 3
    assert np.argwhere(mask[26:, :10] == 2).tolist() == [[1, 3], [1, 4]]
    assert main(["check", uri]) == 0
    assert "a polyline of 'Road' is no area: left out" in capsys.readouterr().out


def test_a_turned_box(tmp_path: Path) -> None:
    box = '<box label="car" xtl="10" ytl="12" xbr="30" ybr="18" rotation="{}" z_order="0"/>'
    flat, upright, tilted = (
        masks(cvat(tmp_path / str(angle), box.format(angle)))[0] for angle in (0, 90, 30)
    )
    assert flat[15, [11, 29]].tolist() == [2, 2]
    assert upright[[6, 24], 20].tolist() == [2, 2]
    assert tilted[[11, 19], [13, 27]].tolist() == [2, 2]  # clockwise: left end up
    assert tilted[[19, 11], [13, 27]].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<polygon label="car" points="1,1;2,2"/>', "image 'monday/a.png': a polygon of 2 points"),
        ('<polygon label="car" points="1,1;2;3,3"/>', "image 'monday/a.png': "),
        ('<polygon points="1,1;2,2;3,4"/>', "'label' is missing"),
        ('<mask label="car" rle="4" left="0" top="0" width="9" height="9"/>', "run lengths of 4"),
        ('<blob label="car"/>', "a shape of an unknown kind, 'blob'"),
        ("<polygon", "not XML"),
    ],
)
def test_a_wrong_cvat_file(tmp_path: Path, shape: str, message: str, capsys: Told) -> None:
    assert main(["check", cvat(tmp_path, shape)]) == 2
    err = capsys.readouterr().err
    assert str(tmp_path / "annotations.xml") in err
    assert message in err
    assert len(err.splitlines()) == 1


VIA = [
    ({"name": "polygon", "all_points_x": BOX[::2], "all_points_y": BOX[1::2]}, {"class": "Road"}),
    ({"name": "rect", "x": 30, "y": 2, "width": 6, "height": 4}, {"class": {"car": True}}),
    ({"name": "circle", "cx": 32, "cy": 20, "r": 5}, {"class": {"car": True, "Road": False}}),
    ({"name": "point", "cx": 1, "cy": 1}, {"class": "car"}),
]


def via_json(folder: Path, regions: Any = None, project: bool = True) -> str:
    image(folder / "a.png")
    pairs = regions or VIA
    listed = [{"shape_attributes": s, "region_attributes": a} for s, a in pairs]
    data = {"a.png123": {"filename": "a.png", "size": 123, "regions": listed}}
    file = folder / "via.json"
    file.write_text(json.dumps({"_via_img_metadata": data} if project else data))
    return f"via:{file}"


def via_csv(folder: Path, regions: Any = None) -> str:
    image(folder / "a.png")
    file = folder / "via.csv"
    with open(file, "w", newline="") as lines:
        writer = csv.writer(lines)
        first = ("filename", "file_size", "file_attributes", "region_count", "region_id")
        writer.writerow((*first, "region_shape_attributes", "region_attributes"))
        for n, (shape, attributes) in enumerate(regions or VIA):
            pair = json.dumps(shape), json.dumps(attributes)
            writer.writerow(["a.png", 123, "{}", len(VIA), n, *pair])
    return f"via:{file}"


@pytest.mark.parametrize("write", [via_json, via_csv])
def test_via(tmp_path: Path, write: Any, capsys: Told) -> None:
    uri = write(tmp_path)
    assert names(uri) == ["background", "road", "car"]
    (mask,) = masks(uri)
    assert (mask == 1).sum() == 20 * 16
    assert mask[2:6, 30:36].tolist() == [[2] * 6] * 4
    assert abs(int((mask[10:] == 2).sum()) - np.pi * 25) < 4
    assert main(["check", uri]) == 0
    assert "a point of 'car' is no area: left out" in capsys.readouterr().out


def test_via_without_a_project(tmp_path: Path) -> None:
    project = masks(via_json(tmp_path / "a"))[0]
    np.testing.assert_array_equal(masks(via_json(tmp_path / "b", project=False))[0], project)


def test_which_attribute_is_the_class(tmp_path: Path, capsys: Told) -> None:
    uri = via_json(tmp_path, [(VIA[0][0], {"class": "road", "state": "wet"})])
    assert main(["check", uri]) == 2
    err = capsys.readouterr().err
    assert "?attribute=NAME; there are: class, state" in err
    assert names(f"{uri}?attribute=state") == ["background", "wet"]


def test_a_wrong_line_of_csv(tmp_path: Path, capsys: Told) -> None:
    uri = via_csv(tmp_path, [VIA[0], ({"name": "polygon", "all_points_x": [1]}, {"class": "a"})])
    file = tmp_path / "via.csv"
    assert main(["check", uri]) == 1
    assert f"{file}:3: 'all_points_y' is missing" in capsys.readouterr().out
    file.write_text(file.read_text().replace('""name""', '""name'))
    assert main(["check", uri]) == 2
    assert f"{file}:2: not JSON" in capsys.readouterr().err


def test_a_region_without_a_class(tmp_path: Path, capsys: Told) -> None:
    assert main(["check", via_json(tmp_path, [VIA[0], (VIA[1][0], {"class": ""})])]) == 2
    assert "a.png: region 1: has no class in 'class'" in capsys.readouterr().err


def test_colours_are_those_of_pascal_voc() -> None:
    known = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)]
    assert [voc_color(number) for number in range(6)] == known
    assert voc_color(20) == (0, 64, 128)
