"""Shapes are drawn pixel by pixel as pycocotools, labelme and cityscapesScripts draw them."""

from __future__ import annotations

import base64
import importlib.metadata
import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from roadseg.data import open_dataset
from roadseg.data.formats.coco_shapes import PolygonShape, RunsShape, read_runs, ring
from roadseg.data.formats.pillow_shapes import DrawnShape

# pycocotools 2.0.11 is older than NumPy's `copy` keyword.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WIDTH, HEIGHT = 40, 30
OUTLINES = {
    "triangle": [(3, 2), (35, 9), (12, 27)],
    "sub-pixel": [(3.3, 2.7), (30.49, 4.51), (28.5, 21.5), (7.25, 25.125)],
    "concave": [(2, 2), (36, 4), (20, 12), (37, 27), (3, 26), (13, 14)],
    "hole by a bridge": [(4, 4), (34, 4), (34, 26), (4, 26), (4, 4), (12, 10), (12, 20), (26, 20)],
    "crosses itself": [(5, 5), (33, 24), (33, 5), (5, 24)],
    "outside": [(-12.5, -7), (60, 3), (47.2, 44), (-3, 18.6)],
    "all around": [(-5, -5), (90, -5), (90, 90), (-5, 90)],
    "away": [(60, 60), (70, 60), (65, 70)],
    "thin": [(2, 2), (38, 3), (2, 2.2)],
    "point": [(9, 9), (9, 9), (9, 9)],
    "twice a corner": [(4, 4), (4, 4), (30, 6), (30, 6), (11, 25)],
}


def noise(seed: int) -> list[tuple[float, float]]:
    random = np.random.default_rng(seed)
    points = random.uniform(-15, 55, (random.integers(3, 14), 2))
    places = points.round() if seed % 2 else points
    return [(float(x), float(y)) for x, y in places]


SHAPES = OUTLINES | {f"random {seed}": noise(seed) for seed in range(60)}


@pytest.mark.parametrize("name", SHAPES)
def test_polygons_as_pycocotools_fills_them(name: str) -> None:
    tool = pytest.importorskip("pycocotools.mask", reason="pycocotools is what is agreed with")
    flat = [value for point in SHAPES[name] for value in point]
    wanted = tool.decode(tool.frPyObjects([flat], HEIGHT, WIDTH))[..., 0].astype(bool)
    np.testing.assert_array_equal(PolygonShape((ring(flat),)).raster(WIDTH, HEIGHT), wanted)


def test_polygons_of_several_rings_are_their_union() -> None:
    tool = pytest.importorskip("pycocotools.mask", reason="pycocotools is what is agreed with")
    flat = [[v for point in SHAPES[f"random {seed}"] for v in point] for seed in (1, 2, 3)]
    wanted = tool.decode(tool.merge(tool.frPyObjects(flat, HEIGHT, WIDTH))).astype(bool)
    shape = PolygonShape(tuple(map(ring, flat)))
    np.testing.assert_array_equal(shape.raster(WIDTH, HEIGHT), wanted)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_run_lengths_as_pycocotools_writes_them(share: float) -> None:
    tool = pytest.importorskip("pycocotools.mask", reason="pycocotools is what is agreed with")
    for seed in range(5):
        mask = np.random.default_rng(seed).random((300, 170)) < share
        mask[90:200, 10:40] = bool(seed % 2)  # long runs take several letters
        text = tool.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        shape = RunsShape(read_runs(text), 0, 0, 170, 300, by_column=True)
        np.testing.assert_array_equal(shape.raster(170, 300), mask)


@pytest.fixture(scope="module")
def labelme_shape() -> types.ModuleType:
    """labelme's utils/shape.py, loaded without the rest of labelme, which needs Qt."""
    try:
        files = importlib.metadata.files("labelme") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("labelme is what is agreed with: pip install --no-deps labelme")
    path = next(file.locate() for file in files if str(file) == "labelme/utils/shape.py")
    stubs = {"labelme": types.ModuleType("labelme")}
    stubs["labelme._label_file"] = types.ModuleType("labelme._label_file")
    stubs["labelme._label_file"].ShapeDict = dict  # type: ignore[attr-defined]  # a hint only
    spec = importlib.util.spec_from_file_location("labelme_shape", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    before = {name: sys.modules.get(name) for name in stubs}
    sys.modules.update(stubs)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        pytest.skip(f"this labelme's shape.py cannot be loaded alone: {error}")
    finally:
        for name, old in before.items():
            del sys.modules[name]
            if old:
                sys.modules[name] = old
    return module


LABELME = [("polygon", points) for points in SHAPES.values()] + [
    ("rectangle", [(30.4, 25.6), (3.2, 4.5)]),
    ("rectangle", [(-4.0, 3.0), (60.0, 9.0)]),
    ("circle", [(20.5, 14.25), (28.0, 19.0)]),
    ("circle", [(38.0, 1.0), (60.0, 19.0)]),
    ("line", [(3.0, 3.0), (33.5, 21.5)]),
    ("linestrip", [(3.0, 3.0), (33.5, 9.5), (12.0, 40.0)]),
    ("point", [(11.5, 12.5)]),
    ("oriented_rectangle", [(10.0, 3.0), (30.0, 9.0), (27.0, 19.0), (7.0, 13.0)]),
]


@pytest.mark.parametrize(("kind", "points"), LABELME)
def test_shapes_as_labelme_draws_them(
    labelme_shape: types.ModuleType, kind: str, points: list[tuple[float, float]]
) -> None:
    wanted = labelme_shape.shape_to_mask((HEIGHT, WIDTH), [list(p) for p in points], kind)
    drawn = DrawnShape(kind, np.array(points, np.float64)).raster(WIDTH, HEIGHT)
    np.testing.assert_array_equal(drawn, wanted)


def test_a_file_of_shapes_as_labelme_paints_it(
    labelme_shape: types.ModuleType, tmp_path: Path
) -> None:
    patch = np.random.default_rng(0).random((8, 11)) < 0.5
    png = cv2.imencode(".png", patch.astype(np.uint8))[1].tobytes()
    entries: list[dict[str, Any]] = [
        {"label": "ab"[n % 2], "points": [list(p) for p in points], "shape_type": "polygon"}
        for n, points in enumerate(SHAPES.values())
        if n % 5 == 0
    ]
    corners = [[6.0, 9.0], [16.0, 16.0]]
    mask = {"label": "c", "points": corners, "shape_type": "mask"}
    entries.insert(3, mask | {"mask": base64.b64encode(png).decode()})
    shapes = [entry | {"mask": patch} if "mask" in entry else entry for entry in entries]
    names = {"a": 1, "b": 2, "c": 3}
    wanted, _ = labelme_shape.shapes_to_label((HEIGHT, WIDTH), shapes, names)
    cv2.imwrite(str(tmp_path / "x.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (tmp_path / "x.json").write_text(json.dumps({"imagePath": "x.png", "shapes": entries}))
    dataset = open_dataset(f"labelme:{tmp_path}")
    assert [info.name for info in dataset.classes] == ["background", "a", "b", "c"]
    np.testing.assert_array_equal(dataset.load(dataset.samples[0])[1], wanted)


CITY = [
    ("sky", OUTLINES["all around"]),
    ("road", [(0, 15), (39, 14), (39, 29), (0, 29)]),
    ("car", [(3, 12), (19, 11), (22, 25), (4, 24)]),
    ("cargroup", [(20, 13), (31, 9), (36, 22)]),
    ("license plate", [(8, 20), (12, 20), (12, 22), (8, 22)]),
    ("parking", OUTLINES["concave"][:4]),
    ("static", [(30, 2), (38, 3), (33, 9)]),
    ("person", OUTLINES["hole by a bridge"]),
]


@pytest.mark.parametrize(("labels", "encoding"), [("scored", "trainIds"), ("all", "ids")])
def test_polygons_as_cityscapes_scripts_draw_them(
    tmp_path: Path, labels: str, encoding: str
) -> None:
    tool = pytest.importorskip(
        "cityscapesscripts.preparation.json2labelImg",
        reason="cityscapesScripts is what is agreed with",
    )
    objects = [{"label": label, "polygon": [list(p) for p in polygon]} for label, polygon in CITY]
    objects.append({"label": "bus", "polygon": [[0, 0], [9, 0], [0, 9]], "deleted": 1})
    base = tmp_path / "gtFine" / "train" / "bonn" / "bonn_000000_000019_gtFine_polygons.json"
    image = tmp_path / "leftImg8bit" / "train" / "bonn" / "bonn_000000_000019_leftImg8bit.png"
    for path in (base, image):
        path.parent.mkdir(parents=True)
    base.write_text(json.dumps({"imgWidth": WIDTH, "imgHeight": HEIGHT, "objects": objects}))
    cv2.imwrite(str(image), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    tool.json2labelImg(str(base), str(tmp_path / "wanted.png"), encoding)
    wanted = cv2.imread(str(tmp_path / "wanted.png"), cv2.IMREAD_UNCHANGED)
    dataset = open_dataset(f"cityscapes:{tmp_path}?labels={labels}")
    np.testing.assert_array_equal(dataset.load(dataset.samples[0])[1], wanted)


def test_labels_as_cityscapes_scripts_list_them() -> None:
    from roadseg.data.class_sets import CITYSCAPES_LABELS, CITYSCAPES_TRAINED

    tool = pytest.importorskip(
        "cityscapesscripts.helpers.labels", reason="cityscapesScripts is what is agreed with"
    )
    table = [(label.name, label.color) for label in tool.labels if label.id >= 0]
    assert [(info.name, info.color) for info in CITYSCAPES_LABELS] == table
    trained = {label.trainId: label.id for label in tool.labels if 0 <= label.trainId < 255}
    assert [trained[number] for number in range(19)] == list(CITYSCAPES_TRAINED)
