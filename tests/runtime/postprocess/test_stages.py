"""What each stage does, on pictures small enough to write down."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.postprocess import Stage, Work, open_stages
from roadseg.runtime.road_classes import ROAD_CLASSES
from roadseg.runtime.sinks.painter import draw_findings

Mask = NDArray[np.uint8]
NAMES = {".": 3, "c": 8, "s": 0, "p": 9, "?": 255}  # road, car, sky, pedestrian, unknown


def mask_of(*rows: str) -> Mask:
    return np.array([[NAMES[one] for one in row] for row in rows], np.uint8)


def work_of(mask: Mask, sequence: int = 0, connection: int = 0) -> Work:
    pixels = np.zeros((*mask.shape, 3), np.uint8)
    frame = Frame(pixels, PixelFormat.BGR, 0, sequence, connection=connection)
    logits = np.zeros((len(ROAD_CLASSES), 1, 1), np.float32)
    return Work(frame, logits, mask, np.full(mask.shape, 255, np.uint8))


def run(name: str, *rows: str) -> Mask:
    work = work_of(mask_of(*rows))
    open_stages([name], ROAD_CLASSES)[0](work)
    return work.mask


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("area:3", ("....", ".cc.", "...."), ("....", "....", "....")),
        ("area:2", ("....", ".cc.", "...."), ("....", ".cc.", "....")),
        ("area:3", ("c...", ".c..", "..c."), ("c...", ".c..", "..c.")),  # corners connect
        ("area:3", ("cc..", "...."), ("....", "....")),  # at the edge
        ("area:3", ("sss.", "ssc.", "sss."), ("sss.", "sss.", "sss.")),  # the longer border
        ("area:3", ("....", ".??.", "...."), ("....", ".??.", "....")),  # unknown stays
        ("area:10", (".....", ".ccc.", ".cpc.", ".ccc.", "....."), (".....",) * 5),
        ("area:9", (".....", ".ccc.", ".cpc.", ".ccc."), (".....", ".ccc.", ".ccc.", ".ccc.")),
        ("area:99", ("....", "...."), ("....", "....")),  # fills the picture
        ("close:3", ("....", ".c?.", "...."), ("....", "....", "....")),
        ("close:2", ("....", ".c?.", "...."), ("....", ".c?.", "....")),
        ("close:9", ("....", ".cc.", ".cc."), ("....", ".cc.", ".cc.")),  # not surrounded
        ("close:9", ("cccc", "c.cc", "cccc"), ("cccc", "c.cc", "cccc")),  # a car is not drivable
        # An island in a hole counts.
        ("close:10", (".....", ".ccc.", ".c.c.", ".ccc.", "....."), (".....",) * 5),
    ],
)
def test_small_regions_and_holes(name: str, before: tuple[str], after: tuple[str]) -> None:
    np.testing.assert_array_equal(run(name, *before), mask_of(*after))


def test_areas_agree_with_labelled_components() -> None:
    """The same regions as connectedComponentsWithStats finds, where nothing encloses another."""
    random = np.random.default_rng(5)
    small = random.random((60, 90)) < 0.08
    mask = np.where(small, 8, 3).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(small.astype(np.uint8))
    sizes = stats[:, cv2.CC_STAT_AREA]
    assert {1, 2, 3, 4, 5} <= set(sizes[1:].tolist())
    expected = mask.copy()
    expected[small & (sizes[labels] < 4)] = 3
    work = work_of(mask)
    open_stages(["area:4"], ROAD_CLASSES)[0](work)
    np.testing.assert_array_equal(work.mask, expected)
    assert count > 50


@pytest.mark.parametrize(("least", "kept"), [(0.0, 4), (0.5, 2), (0.6, 1), (1.0, 1)])
def test_unsure_pixels_have_no_class(least: float, kept: int) -> None:
    work = work_of(mask_of("...."))
    work.confidence = np.array([[0, 100, 128, 255]], np.uint8)
    open_stages([f"unknown:{least}"], ROAD_CLASSES)[0](work)
    np.testing.assert_array_equal(work.mask, mask_of("?" * (4 - kept) + "." * kept))


def smoothed(stage: Stage, logit: float, sequence: int, connection: int = 0) -> float:
    work = work_of(mask_of("."), sequence, connection)
    work.logits[:] = logit
    stage(work)
    return float(work.logits[0, 0, 0])


def test_smoothing_is_an_exponential_average() -> None:
    (stage,) = open_stages(["smooth:0.25"], ROAD_CLASSES)
    assert smoothed(stage, 8.0, 0) == 8.0
    assert smoothed(stage, 0.0, 1) == pytest.approx(6.0)
    assert smoothed(stage, 0.0, 2) == pytest.approx(4.5)
    assert smoothed(stage, 0.0, 4) == pytest.approx(4.5 * 0.75**2)  # a frame was lost
    assert smoothed(stage, 1.0, 0) == 1.0  # the source begins anew


def test_an_outage_starts_a_new_average() -> None:
    """Numbers go on over it."""
    (stage,) = open_stages(["smooth:0.25"], ROAD_CLASSES)
    assert smoothed(stage, 8.0, 0) == 8.0
    assert smoothed(stage, 0.0, 1) == pytest.approx(6.0)
    assert smoothed(stage, 0.0, 2, connection=1) == 0.0
    assert smoothed(stage, 8.0, 3, connection=1) == pytest.approx(2.0)


def test_frames_of_another_size_start_a_new_average() -> None:
    """The network's input, and so its logits, keep their size."""
    (stage,) = open_stages(["smooth:0.25"], ROAD_CLASSES)
    for number, mask in enumerate((mask_of(".."), mask_of(".", "."))):
        work = work_of(mask, number)
        work.logits[:] = 8.0 * number
        stage(work)
    assert work.logits[0, 0, 0] == 8.0


def test_the_lag_of_smoothing_is_what_it_says() -> None:
    """Of a ramp the average lags by (1 - weight) / weight frames."""
    for weight in (1.0, 0.5, 0.2):
        (stage,) = open_stages([f"smooth:{weight}"], ROAD_CLASSES)
        shown = [smoothed(stage, float(n), n) for n in range(60)]
        lag = (1 - weight) / weight
        assert 59 - shown[-1] == pytest.approx(lag, abs=0.01)
        assert stage.lag_frames == pytest.approx(lag)  # type: ignore[attr-defined]


def test_the_polygon_is_the_largest_area_without_small_bumps() -> None:
    mask = np.zeros((50, 80), np.uint8)
    mask[10:46, 10:71] = 3
    mask[30, 9] = 3  # a bump of a pixel
    mask[2:6, 2:6] = 3  # a smaller area
    work = work_of(mask)
    open_stages(["polygon:2"], ROAD_CLASSES)[0](work)
    polygon = work.findings.polygon
    assert polygon is not None
    assert {tuple(corner) for corner in polygon.tolist()} == {
        (10, 10),
        (70, 10),
        (70, 45),
        (10, 45),
    }


def test_no_drivable_area_is_a_polygon_without_corners() -> None:
    work = work_of(mask_of("cccc"))
    open_stages(["polygon"], ROAD_CLASSES)[0](work)
    assert work.findings.polygon is not None
    assert work.findings.polygon.shape == (0, 2)


def test_findings_are_drawn_where_they_are() -> None:
    mask = np.zeros((100, 200), np.uint8)
    mask[40:] = 3
    mask[40:60, 80:120] = 8  # a car ahead
    work = work_of(mask)
    for stage in open_stages(["polygon", "free"], ROAD_CLASSES):
        stage(work)
    free = work.findings.free
    assert free is not None
    assert (free.pixels, free.row, free.left, free.right) == (40, 59, 90, 109)
    assert free.blocked_by == 8
    picture = np.zeros((100, 200, 3), np.uint8)
    draw_findings(picture, work.findings)
    assert picture[59, 95:105].any(1).all()
    assert picture[99, 50].all()
    assert not picture[80, 20:180].any()


def test_crf_moves_a_border_to_the_edge_in_the_picture() -> None:
    pytest.importorskip("pydensecrf", reason="pydensecrf2 is not installed (roadseg[crf])")
    mask = np.zeros((48, 64), np.uint8)
    pixels = np.full((48, 64, 3), 40, np.uint8)
    pixels[:, 32:] = 220
    logits = np.zeros((len(ROAD_CLASSES), 12, 16), np.float32)
    logits[3, :, :10], logits[8, :, 10:] = 2.0, 2.0  # two columns of four pixels off
    work = Work(Frame(pixels, PixelFormat.BGR, 0, 0), logits, mask)
    open_stages(["crf"], ROAD_CLASSES)[0](work)
    np.testing.assert_array_equal(work.mask, np.where(pixels[..., 0] < 100, 3, 8))
