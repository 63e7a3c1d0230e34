"""preprocess against float64 references, for every format, size relation and instruction set."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from bilinear import resize_axis
from numpy.typing import NDArray

from roadseg.runtime import _native
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.preprocess import preprocess
from roadseg.runtime.sinks.painter import to_bgr

Pixels = NDArray[np.uint8]
BGR, RGB, GREY = PixelFormat.BGR, PixelFormat.RGB, PixelFormat.GREY
NV12, NV12M, NV21 = PixelFormat.NV12, PixelFormat.NV12M, PixelFormat.NV21
YU12, YUYV, UYVY = PixelFormat.YU12, PixelFormat.YUYV, PixelFormat.UYVY

# ((width, height) of the frame, of the output): enlarged, shrunk, one axis each, equal, tiny, odd.
SIZES = [
    ((64, 48), (128, 96)),
    ((128, 96), (64, 48)),
    ((130, 50), (77, 91)),
    ((46, 100), (101, 33)),
    ((98, 62), (98, 62)),
    ((98, 62), (98, 31)),
    ((98, 62), (45, 62)),
    ((2, 2), (37, 5)),
    ((200, 150), (1, 1)),
    ((640, 360), (96, 54)),
]
ODD_SIZES = [((63, 47), (101, 33)), ((1, 1), (9, 4)), ((33, 1), (20, 3)), ((17, 9), (17, 9))]

pytestmark = pytest.mark.usefixtures("isa")


def random_frame(format: PixelFormat, size: tuple[int, int], padding: int = 0) -> Frame:
    width, height = size
    shape: tuple[int, ...] = {
        BGR: (height, width, 3),
        RGB: (height, width, 3),
        YUYV: (height, width, 2),
        UYVY: (height, width, 2),
        GREY: (height, width),
        NV12M: (height, width),
    }.get(format, (height * 3 // 2, width))
    random = np.random.default_rng(7)
    buffer = random.integers(0, 256, (shape[0], shape[1] + padding, *shape[2:]), np.uint8)
    chroma = random.integers(0, 256, (height // 2, width + 2 * padding), np.uint8)[:, :width]
    return Frame(
        buffer[:, :width], format, 0, sequence=0, chroma=chroma if format is NV12M else None
    )


def yu12_chroma(frame: Frame) -> list[NDArray[np.float64]]:
    """U and V of YU12, whose rows lie at half the row stride."""
    stride, half = frame.pixels.strides[0], (frame.height // 2, frame.width // 2)
    buffer = np.asarray(frame.pixels.base).reshape(-1)
    return [
        np.ndarray(half, np.uint8, buffer[start:].tobytes(), strides=(stride // 2, 1)).astype(float)
        for start in (frame.height * stride, frame.height * stride + half[0] * stride // 2)
    ]


def rgb_reference(frame: Frame) -> NDArray[np.float64]:
    """The frame's colours in float64, BT.601 limited range, unrounded."""
    pixels = frame.pixels.astype(np.float64)
    if frame.format is RGB:
        return pixels
    if frame.format is BGR:
        return pixels[..., ::-1]
    if frame.format is GREY:
        return pixels[..., None].repeat(3, 2)
    if frame.format in (YUYV, UYVY):
        first = int(frame.format is UYVY)
        luma = pixels[..., first]
        u, v = (pixels[:, start::2, 1 - first].repeat(2, 1) for start in (0, 1))
    else:
        luma, chroma = pixels[: frame.height], pixels[frame.height :]
        if frame.chroma is not None:
            chroma = frame.chroma.astype(np.float64)
        planes = yu12_chroma(frame) if frame.format is YU12 else [chroma[:, ::2], chroma[:, 1::2]]
        u, v = (plane.repeat(2, 0).repeat(2, 1) for plane in planes)
        if frame.format is NV21:
            u, v = v, u
    y = (np.maximum(luma, 16) - 16) * 255 / 219
    u, v = ((chroma - 128) * 255 / 224 for chroma in (u, v))
    red, blue = 2 * (1 - 0.299), 2 * (1 - 0.114)
    green_u, green_v = blue * 0.114 / 0.587, red * 0.299 / 0.587
    rgb = np.stack([y + red * v, y - green_u * u - green_v * v, y + blue * u], -1)
    return rgb.clip(0, 255)


def reference(frame: Frame, size: tuple[int, int]) -> NDArray[np.float64]:
    return resize_axis(resize_axis(rgb_reference(frame), size[1], 0), size[0], 1)


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("format", PixelFormat)
def test_matches_the_float64_reference(
    format: PixelFormat, sizes: tuple[tuple[int, int], tuple[int, int]], padding: int
) -> None:
    frame = random_frame(format, sizes[0], padding)
    out = np.zeros((sizes[1][1], sizes[1][0], 3), np.uint8)
    assert preprocess(frame, out) is out
    # 8-bit rounding and fixed point; for YUV the colours are rounded once more before the resize.
    tolerance = 0.55 if format in (BGR, RGB, GREY) else 1.2
    assert np.abs(out - reference(frame, sizes[1])).max() <= tolerance


@pytest.mark.parametrize("sizes", ODD_SIZES)
@pytest.mark.parametrize("format", [BGR, RGB, GREY])
def test_takes_odd_sizes(
    format: PixelFormat, sizes: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    frame = random_frame(format, sizes[0], padding=1)
    out = np.zeros((sizes[1][1], sizes[1][0], 3), np.uint8)
    preprocess(frame, out)
    assert np.abs(out - reference(frame, sizes[1])).max() <= 0.55


@pytest.mark.parametrize(
    ("format", "conversion", "tolerance"),
    [
        (BGR, cv2.COLOR_BGR2RGB, 1),
        (RGB, None, 1),
        (NV12, cv2.COLOR_YUV2RGB_NV12, 2),
        (NV21, cv2.COLOR_YUV2RGB_NV21, 2),
        (YU12, cv2.COLOR_YUV2RGB_I420, 2),
        (YUYV, cv2.COLOR_YUV2RGB_YUYV, 2),
        (UYVY, cv2.COLOR_YUV2RGB_UYVY, 2),
        (GREY, cv2.COLOR_GRAY2RGB, 1),
    ],
)
@pytest.mark.parametrize("size", [(160, 90), (72, 40), (128, 64)])
def test_agrees_with_opencv(
    format: PixelFormat, conversion: int | None, tolerance: int, size: tuple[int, int]
) -> None:
    frame = random_frame(format, (128, 64))
    colours = frame.pixels if conversion is None else cv2.cvtColor(frame.pixels, conversion)
    expected = cv2.resize(colours, size, interpolation=cv2.INTER_LINEAR)
    out = preprocess(frame, np.empty(expected.shape, np.uint8))
    assert np.abs(out.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("format", PixelFormat)
def test_instruction_sets_agree_in_every_bit(format: PixelFormat) -> None:
    frame = random_frame(format, (354, 218), padding=10)
    outs = []
    for name in _native.isas():
        _native.use_isa(name)
        outs.append(preprocess(frame, np.empty((131, 257, 3), np.uint8)))
        outs.append(preprocess(frame, np.empty((218, 354, 3), np.uint8)))
    for one, other in zip(outs[:2] * (len(outs) // 2), outs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_black_white_and_red_of_video_range() -> None:
    y, u, v = [16, 235, 81], [128, 128, 90], [128, 128, 240]
    pixels = np.empty((2, 6, 2), np.uint8)
    pixels[..., 0] = np.repeat(y, 2)
    pixels[:, 0::2, 1], pixels[:, 1::2, 1] = u, v
    out = preprocess(Frame(pixels, YUYV, 0, 0), np.empty((2, 6, 3), np.uint8))
    expected = [[0, 0, 0], [255, 255, 255], [255, 0, 0]]
    assert np.abs(out[0, ::2].astype(int) - expected).max() <= 1


def test_a_frame_stored_bottom_up() -> None:
    frame = random_frame(RGB, (40, 30))
    flipped = Frame(frame.pixels[::-1], RGB, 0, 0)
    out = preprocess(flipped, np.empty((20, 50, 3), np.uint8))
    upright = Frame(np.ascontiguousarray(flipped.pixels), RGB, 0, 0)
    np.testing.assert_array_equal(out, preprocess(upright, np.empty_like(out)))


def test_writes_nothing_outside(isa: str) -> None:
    frame = random_frame(BGR, (64, 48))
    for width in range(1, 40):
        room = np.full((5 * width * 3 + 64,), 99, np.uint8)
        preprocess(frame, room[32:-32].reshape(5, width, 3))
        assert (room[:32] == 99).all() and (room[-32:] == 99).all()


@pytest.mark.parametrize("format", PixelFormat)
def test_allocates_nothing_of_the_size_of_an_image(format: PixelFormat) -> None:
    frame, out = random_frame(format, (640, 360)), np.empty((256, 512, 3), np.uint8)
    preprocess(frame, out)
    tracemalloc.start()
    try:
        preprocess(frame, out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16_000


GOOD = np.zeros((6, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("format", "pixels", "out", "message"),
    [
        (RGB, np.zeros((6, 8), np.uint8), GOOD, r"RGB frame: uint8 \(H, W, 3\) is needed"),
        (RGB, np.zeros((6, 8, 4), np.uint8), GOOD, r"not uint8 \(6, 8, 4\)"),
        (BGR, np.zeros((6, 8, 3), np.float32), GOOD, "BGR frame: .* not float32"),
        (BGR, np.zeros((0, 8, 3), np.uint8), GOOD, r"not uint8 \(0, 8, 3\)"),
        (BGR, GOOD[..., ::-1], GOOD.copy(), "side by side"),
        (BGR, GOOD[:, ::2], GOOD.copy(), "side by side"),
        (NV12, np.zeros((7, 8), np.uint8), GOOD, "NV12 frame: an even width and height"),
        (NV12, np.zeros((6, 7), np.uint8), GOOD, "NV12 frame: an even width and height"),
        (NV12, np.zeros((9, 8), np.uint8)[:, ::2], GOOD, "side by side"),
        (YUYV, np.zeros((6, 7, 2), np.uint8), GOOD, "YUYV frame: an even width"),
        (YUYV, GOOD, GOOD, r"YUYV frame: uint8 \(H, W, 2\)"),
        (UYVY, np.zeros((6, 7, 2), np.uint8), GOOD, "UYVY frame: an even width"),
        (NV21, np.zeros((7, 8), np.uint8), GOOD, "NV21 frame: an even width and height"),
        (YU12, np.zeros((6, 9), np.uint8)[:, :8], GOOD, "YU12 frame: an even row stride"),
        (NV12M, np.zeros((6, 8), np.uint8), GOOD, "NV12M frame: .* a chroma plane"),
        (GREY, GOOD, GOOD, r"GREY frame: uint8 \(H, W\)"),
        (RGB, GOOD, np.zeros((6, 8), np.uint8), "out: uint8"),
        (RGB, GOOD, np.zeros((6, 8, 3), np.int8), "out: uint8 .* not int8"),
        (RGB, GOOD, np.zeros((6, 9, 3), np.uint8)[:, :8], "out must be contiguous"),
        (RGB, [[0]], GOOD, "not list"),
    ],
)
def test_refuses(format: PixelFormat, pixels: Pixels, out: Pixels, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        preprocess(Frame(pixels, format, 0, 0), out)
    assert "\n" not in str(refusal.value)


def test_refuses_to_fill_what_is_read_only() -> None:
    out = np.zeros((6, 8, 3), np.uint8)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        preprocess(Frame(GOOD, RGB, 0, 0), out)


@pytest.mark.parametrize("shape", [(2, 8), (3, 6), (3, 4)])
def test_refuses_a_second_plane_that_does_not_fit(shape: tuple[int, int]) -> None:
    frame = Frame(np.zeros((6, 8), np.uint8), NV12M, 0, 0, chroma=np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="NV12M frame: chroma of"):
        preprocess(frame, np.zeros((6, 8, 3), np.uint8))


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("format", PixelFormat)
def test_the_painter_sees_the_same_colours(format: PixelFormat, padding: int) -> None:
    frame = random_frame(format, (62, 42), padding)
    rgb = preprocess(frame, np.empty((42, 62, 3), np.uint8))
    painted = to_bgr(frame, np.empty((42, 62, 3), np.uint8))
    assert np.abs(painted[..., ::-1].astype(int) - rgb).max() <= 2
