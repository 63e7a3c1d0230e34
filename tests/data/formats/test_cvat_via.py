"""CVAT's and VGG Image Annotator's files: read as masks; what is wrong in them is named."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated_picture import BOX, OVER, image, masks, names

from roadseg.data import open_dataset
from roadseg.data.cli import main
from roadseg.data.formats.painted import voc_color

Told = pytest.CaptureFixture[str]


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
        ('</image><image id="7" width="40" height="30">', "image 7: '' is not the file name of an"),
        (
            '<mask label="car" rle="1" left="1e400" top="0" width="1" height="1"/>',
            "image 'monday/a.png': cannot convert float infinity",
        ),
    ],
)
def test_a_wrong_cvat_file(tmp_path: Path, shape: str, message: str, capsys: Told) -> None:
    assert main(["check", cvat(tmp_path, shape)]) in (1, 2)
    out, err = capsys.readouterr()
    assert str(tmp_path / "annotations.xml") in out + err
    assert message in out + err


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


@pytest.mark.parametrize(
    ("shape", "attributes", "message"),
    [
        (VIA[1][0], None, "a.png: region 0: its shape_attributes or region_attributes are no"),
        (VIA[1][0], ["class"], "a.png: region 0: its shape_attributes or region_attributes are"),
        (None, {"class": "car"}, "a.png: region 0: its shape_attributes or region_attributes are"),
        ({"name": "star"}, {"class": "car"}, "region 0: a shape of an unknown kind, 'star'"),
        ({"name": "circle", "cx": 10**400}, {"class": "car"}, "region 0: int too large"),
    ],
)
def test_a_wrong_region(
    tmp_path: Path, shape: Any, attributes: Any, message: str, capsys: Told
) -> None:
    assert main(["check", via_json(tmp_path, [(shape, attributes)])]) in (1, 2)
    out, err = capsys.readouterr()
    assert f"{tmp_path / 'via.json'}: " in out + err
    assert message in out + err


@pytest.mark.parametrize("name", ["", 5])
def test_an_image_without_a_name(tmp_path: Path, name: Any, capsys: Told) -> None:
    uri = via_json(tmp_path)
    file = tmp_path / "via.json"
    file.write_text(file.read_text().replace(': "a.png"', f": {json.dumps(name)}"))
    assert main(["check", uri]) == 2
    assert f"{file}: a.png123: {name!r} is not the file name of an image" in capsys.readouterr().err


def test_lines_of_csv_of_two_images_of_one_name(tmp_path: Path, capsys: Told) -> None:
    uri = via_csv(tmp_path)
    file = tmp_path / "via.csv"
    file.write_text(file.read_text().replace("a.png,123,{},4,1", "a.png,999,{},4,1"))
    assert main(["check", uri]) == 2
    assert f"{file}:3: two images named 'a.png': they differ in" in capsys.readouterr().err


def test_colours_are_those_of_pascal_voc() -> None:
    known = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)]
    assert [voc_color(number) for number in range(6)] == known
    assert voc_color(20) == (0, 64, 128)


def test_a_label_whose_colour_is_none_and_a_file_in_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cvat(tmp_path, f'<polygon label="Road" points="{points(BOX)}"/>')
    file = tmp_path / "annotations.xml"
    file.write_text(file.read_text().replace("#804080", "#purple"))
    monkeypatch.chdir(tmp_path)
    dataset = open_dataset("cvat:annotations.xml")
    assert dataset.name == tmp_path.name
    assert {info.name: info.color for info in dataset.classes}["road"] == (0, 0, 1)
