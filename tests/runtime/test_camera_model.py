"""Distances on the road against geometry worked out another way, and against rendered roads."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from roadseg.runtime.camera_model import CameraModel
from roadseg.runtime.errors import UsageError
from roadseg.runtime.findings import FreeDistance
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.postprocess import Work, open_stages
from roadseg.runtime.road_classes import ROAD_CLASSES
from roadseg.runtime.roads import RoadRenderer, make_scene
from roadseg.runtime.roads.camera import Camera
from roadseg.runtime.roads.labels import CAR, ROAD
from roadseg.runtime.roads.renderer import HORIZON
from roadseg.runtime.roads.scene import traffic

WIDTH, HEIGHT = 640, 360
GOOD = {
    "width": 640,
    "height": 360,
    "fx": 500.0,
    "fy": 510.0,
    "cx": 322.5,
    "cy": 181.0,
    "height_m": 1.3,
    "pitch_deg": 4.0,
}


def seen(camera: CameraModel, x: float, z: float) -> tuple[float, float]:
    """Project a point of the road step by step: move to the camera, turn, divide."""
    point = np.array([x, camera.height_m, z])  # right, down, ahead of a level camera
    turn = math.radians(camera.pitch_deg)
    rotation = np.array(
        [
            [1, 0, 0],
            [0, math.cos(turn), -math.sin(turn)],
            [0, math.sin(turn), math.cos(turn)],
        ]
    )
    right, down, ahead = rotation @ point
    return camera.fx * right / ahead + camera.cx, camera.fy * down / ahead + camera.cy


@pytest.mark.parametrize("pitch", [-3.0, 0.0, 2.5, 12.0, 40.0])
def test_the_road_is_seen_where_geometry_says(pitch: float) -> None:
    camera = CameraModel(**{**GOOD, "pitch_deg": pitch})
    for x, z in [(0.0, 3.0), (-1.5, 10.0), (2.0, 35.0), (0.3, 100.0)]:
        u, v = seen(camera, x, z)
        mapped = camera.homography @ (x, z, 1)
        np.testing.assert_allclose(mapped[:2] / mapped[2], (u, v), atol=1e-9)
        assert camera.distance(v) == pytest.approx(z)
        first, last = camera.corridor(np.array([v]))
        assert last[0] == pytest.approx(seen(camera, camera.vehicle_width_m / 2, z)[0])
        assert first[0] == pytest.approx(seen(camera, -camera.vehicle_width_m / 2, z)[0])
    assert camera.distance(camera.horizon) == math.inf
    assert camera.distance(camera.horizon - 5) == math.inf
    assert camera.distance(camera.horizon + 0.01) > 1000


def test_another_size_of_the_same_picture_has_the_same_distances() -> None:
    camera = CameraModel(**GOOD, hood_rows=20)
    half = camera.resized(320, 180)
    assert half.hood_rows == 10
    for row in range(200, 350, 30):  # the border below row r of the half picture
        assert half.distance(row / 2 - 0.5) == pytest.approx(camera.distance(row - 0.5))
        ends, same = (
            camera.corridor(np.array([row - 0.5])),
            half.corridor(np.array([row / 2 - 0.5])),
        )
        np.testing.assert_allclose((np.array(ends) + 0.5) / 2 - 0.5, same)
    with pytest.raises(UsageError, match="is of 640x360, frames are 640x480"):
        camera.resized(640, 480)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fx": None}, "there is no fx"),
        ({"fx": '"wide"'}, "fx is 'wide', not a number"),
        ({"width": "640.5"}, "width is 640.5, not a whole number"),
        ({"fy": "true"}, "fy is True, not a number"),
        ({"height_m": "0"}, "height_m is 0: it must be more than 0"),
        ({"height_m": "inf"}, "height_m is inf"),
        ({"pitch_deg": "95"}, "pitch_deg is 95: -80 to 80"),
        ({"pitch_deg": "nan"}, "pitch_deg is nan"),
        ({"cx": "nan"}, "cx is nan: it must be a place in pixels"),
        ({"cy": "-inf"}, "cy is -inf: it must be a place in pixels"),
        ({"hood_rows": "360"}, "hood_rows is 360: 0 to 359"),
        ({"roll": "1"}, "unknown name 'roll': known are cx, cy"),
        ({"fx": "= 3"}, "not TOML"),
    ],
)
def test_a_wrong_file_is_told_with_its_name(
    tmp_path: Path, change: dict[str, str | None], message: str
) -> None:
    path = tmp_path / "camera.toml"
    lines = {name: str(value) for name, value in GOOD.items()} | change
    path.write_text("".join(f"{k} = {v}\n" for k, v in lines.items() if v is not None))
    with pytest.raises(UsageError) as error:
        CameraModel.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "camera.toml"
    path.write_text("".join(f"{name} = {value}\n" for name, value in GOOD.items()))
    assert CameraModel.read(path) == CameraModel(**GOOD)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not TOML"):
        CameraModel.read(path)


def test_the_file_in_the_docs_is_one(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "postprocess.md"
    (tmp_path / "camera.toml").write_text(page.read_text().split("```toml\n")[1].split("```")[0])
    assert CameraModel.read(tmp_path / "camera.toml").pitch_deg == 2.0


def model_of(renderer: Camera) -> CameraModel:
    """Return the renderer's camera: it looks level, its horizon is the principal row."""
    return CameraModel(
        width=renderer.width,
        height=renderer.height,
        fx=renderer.focal,
        fy=renderer.focal,
        cx=renderer.width / 2 - 0.5,
        cy=renderer.horizon - 0.5,  # middles of pixels
        height_m=renderer.eye,
        pitch_deg=0.0,
        vehicle_width_m=1.7,
    )


def free_ahead(mask: np.ndarray, camera: CameraModel | None) -> FreeDistance:
    frame = Frame(np.zeros((*mask.shape, 3), np.uint8), PixelFormat.BGR, 0, 0)
    work = Work(frame, np.zeros((11, 1, 1), np.float32), mask)
    open_stages(["free"], ROAD_CLASSES, camera)[0](work)
    assert work.findings.free is not None
    return work.findings.free


@pytest.mark.parametrize("metres", [4.0, 7.5, 12.0, 20.0, 33.0, 60.0])
def test_a_wall_across_a_rendered_road_is_as_far_as_it_was_built(metres: float) -> None:
    scene = make_scene(2, "country", "")
    renderer = Camera(scene, WIDTH, HEIGHT, 30.0, HORIZON * HEIGHT)
    foot = renderer.project(np.array([[0.0, 0.0, metres]]))[0, 1]
    mask = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    # A pixel is of the wall when its middle is: row r has its middle at r + 0.5.
    mask[: math.floor(foot + 0.5)] = CAR
    free = free_ahead(mask, model_of(renderer))
    assert free.metres is not None
    assert free.resolution_m is not None
    assert free.blocked_by == CAR
    assert abs(free.metres - metres) <= free.resolution_m / 2 + 1e-6
    assert free.resolution_m == pytest.approx(metres**2 / (renderer.focal * 1.45), rel=0.15)


@pytest.mark.parametrize("seed", [1, 3, 4, 9])
def test_the_car_ahead_on_a_straight_rendered_road(seed: int) -> None:
    """Its body begins 0.3 m above the road, where a ray meets the road up to a quarter later."""
    flat = (0.0, 1.0, 0.0)
    scene = dataclasses.replace(make_scene(seed, "suburb", ""), bends=(flat, flat))
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    mask = np.empty((HEIGHT, WIDTH), np.uint8)
    RoadRenderer(scene, WIDTH, HEIGHT, 30.0).render(0, picture, mask)
    ahead = traffic(scene, 0.0, 0.0, 100.0)[0].s
    free = free_ahead(mask, model_of(Camera(scene, WIDTH, HEIGHT, 0.0, HORIZON * HEIGHT)))
    assert free.metres is not None
    assert free.resolution_m is not None
    assert free.blocked_by == CAR
    raised = ahead * 1.45 / (1.45 - 0.35)
    assert ahead - free.resolution_m <= free.metres <= raised + free.resolution_m


def test_what_stands_beside_the_corridor_does_not_block_it() -> None:
    camera = CameraModel(**GOOD)
    _, edge = camera.corridor(np.array([250.0]))
    mask = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    mask[:250, int(edge[0]) + 2 :] = CAR
    free = free_ahead(mask, camera)
    assert (free.row, free.metres, free.blocked_by) == (-1, None, None)
    assert free.pixels == HEIGHT - math.ceil(camera.horizon + 0.5)


def test_a_fifth_of_a_row_may_be_blocked() -> None:
    mask = np.full((100, 200), ROAD, np.uint8)  # the corridor has 20 columns, from 90
    mask[50, 90:94] = CAR
    assert free_ahead(mask, None).row == -1
    mask[50, 94] = 255
    free = free_ahead(mask, None)
    assert (free.row, free.pixels, free.blocked_by, free.metres) == (50, 49, CAR, None)
    mask[50, 90:93] = 255
    assert free_ahead(mask, None).blocked_by == 255


def test_the_hood_is_not_in_the_way() -> None:
    mask = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    mask[330:], mask[:200] = CAR, CAR
    assert free_ahead(mask, CameraModel(**GOOD)).pixels == 0
    free = free_ahead(mask, CameraModel(**GOOD, hood_rows=30))
    assert free.pixels == 130
    assert free.metres == pytest.approx(CameraModel(**GOOD).distance(199.5))
