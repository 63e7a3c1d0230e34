"""decode against float64 references, for every class count, ratio and instruction set."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from bilinear import resize_axis
from numpy.typing import NDArray

from roadseg.runtime import _native
from roadseg.runtime.decode import count_classes, decode

Logits = NDArray[np.float32]

# ((w, h) of the logits, (W, H) of the mask): ratios of 4, 8, 5.625, 1, below 1, tiny, odd.
SIZES = [
    ((64, 32), (256, 128)),
    ((32, 16), (256, 128)),
    ((64, 32), (360, 150)),
    ((61, 37), (203, 111)),
    ((50, 20), (50, 20)),
    ((50, 40), (33, 17)),
    ((70, 9), (77, 300)),
    ((3, 2), (100, 65)),
    ((1, 1), (5, 3)),
    ((200, 4), (1, 1)),
]

pytestmark = pytest.mark.usefixtures("isa")


def noise(classes: int, size: tuple[int, int]) -> Logits:
    """Every cell has another winner: no shortcut applies."""
    return np.random.default_rng(3).normal(0, 3, (classes, *size[::-1])).astype(np.float32)


def regions(classes: int, size: tuple[int, int]) -> Logits:
    """Large areas of one class with soft borders, as a network gives them."""
    logits = noise(classes, size)
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    for number in range(classes):
        logits[number] = 0.1 * logits[number] + 40 * np.cos(3 * x + 2 * y * number + number)
    return logits


def upsampled(logits: Logits, size: tuple[int, int]) -> NDArray[np.float64]:
    return resize_axis(resize_axis(logits.astype(np.float64), size[1], 1), size[0], 2)


def assert_argmax(mask: NDArray[np.uint8], large: NDArray[np.float64]) -> None:
    """Where float64 decides by more than float32 can round, the mask decides the same."""
    chosen = np.take_along_axis(large, mask[None].astype(int), 0)[0]
    assert (large.max(0) - chosen).max() <= 2e-6 * np.abs(large).max()
    assert (mask == large.argmax(0)).mean() > 0.999


@pytest.mark.parametrize("logits_of", [noise, regions])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("classes", [2, 3, 11, 19, 32])
def test_matches_the_float64_reference(
    classes: int, sizes: tuple[tuple[int, int], tuple[int, int]], logits_of: object
) -> None:
    logits = logits_of(classes, sizes[0])  # type: ignore[operator]
    mask = np.full(sizes[1][::-1], 200, np.uint8)
    assert decode(logits, mask) is mask
    assert_argmax(mask, upsampled(logits, sizes[1]))


@pytest.mark.parametrize("logits_of", [noise, regions])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("classes", [2, 11, 32])
def test_confidence_is_the_winners_softmax(
    classes: int, sizes: tuple[tuple[int, int], tuple[int, int]], logits_of: object
) -> None:
    logits = logits_of(classes, sizes[0])  # type: ignore[operator]
    mask, confidence = np.empty((2, *sizes[1][::-1]), np.uint8)
    decode(logits, mask, confidence)
    large = upsampled(logits, sizes[1])
    assert_argmax(mask, large)
    expected = 255 / np.exp(large - large.max(0)).sum(0)
    assert np.abs(confidence - expected).max() <= 0.501


@pytest.mark.parametrize("classes", range(2, 33))
def test_every_class_can_win(classes: int) -> None:
    logits = np.zeros((classes, 8, classes * 2), np.float32)
    wins = np.repeat(np.arange(classes), 2)
    logits[wins, :, np.arange(classes * 2)] = 5
    mask = decode(logits, np.empty((8, classes * 2), np.uint8))
    np.testing.assert_array_equal(mask, np.tile(wins, (8, 1)))


@pytest.mark.parametrize("confident", [False, True])
def test_the_first_of_equal_classes_wins(confident: bool) -> None:
    logits = np.zeros((5, 9, 13), np.float32)
    logits[[1, 3]] = 2
    mask, confidence = np.empty((2, 40, 70), np.uint8)
    decode(logits, mask, confidence if confident else None)
    assert (mask == 1).all()
    if confident:
        assert (confidence == round(255 / (2 + 3 * np.exp(-2)))).all()


@pytest.mark.parametrize("offset", [-1e4, 0, 1e4])
def test_confidence_of_sure_and_unsure(offset: float) -> None:
    logits = np.full((4, 8, 8), offset, np.float32)
    mask, confidence = np.empty((2, 32, 32), np.uint8)
    decode(logits, mask, confidence)
    assert (confidence == 64).all()
    logits[2] += 500
    decode(logits, mask, confidence)
    assert (mask == 2).all() and (confidence == 255).all()


@pytest.mark.parametrize("logits_of", [noise, regions])
def test_instruction_sets_agree_in_every_bit(logits_of: object) -> None:
    logits = logits_of(11, (61, 37))  # type: ignore[operator]
    outs = []
    for name in _native.isas():
        _native.use_isa(name)
        mask, confidence = np.empty((2, 203, 311), np.uint8)
        decode(logits, mask, confidence)
        outs.append((decode(logits, np.empty_like(mask)), mask, confidence))
    for one in outs:
        np.testing.assert_array_equal(one, outs[0])


def near_ties(classes: int, size: tuple[int, int]) -> Logits:
    """Class 1 is one rounding ahead of class 0 everywhere, far ahead of the others."""
    logits = noise(classes, size) * np.float32(0.01)
    logits[0] += 50
    logits[1] = np.nextafter(logits[0], np.float32(np.inf))
    return logits


@pytest.mark.parametrize("logits_of", [noise, regions, near_ties])
@pytest.mark.parametrize("classes", [2, 11, 32])
def test_the_mask_is_the_same_with_confidence(classes: int, logits_of: object) -> None:
    """Areas of one class are not computed pixel by pixel when only the mask is wanted."""
    for size, mask_size in SIZES:
        logits = logits_of(classes, size)  # type: ignore[operator]
        alone, mask, confidence = np.empty((3, *mask_size[::-1]), np.uint8)
        decode(logits, alone)
        decode(logits, mask, confidence)
        np.testing.assert_array_equal(alone, mask)


def test_rows_may_be_padded_and_nothing_outside_is_written() -> None:
    logits = noise(7, (20, 12))
    room = np.full((2, 49, 130), 99, np.uint8)
    decode(logits, room[0, :48, :77], room[1, :48, :77])
    mask, confidence = np.empty((2, 48, 77), np.uint8)
    decode(logits, mask, confidence)
    np.testing.assert_array_equal(room[:, :48, :77], [mask, confidence])
    assert (room[:, 48] == 99).all() and (room[:, :, 77:] == 99).all()


def test_sizes_may_change_from_call_to_call() -> None:
    for size in [(64, 32), (30, 32), (64, 40), (64, 32)]:
        logits = noise(5, size)
        assert_argmax(decode(logits, np.empty((100, 150), np.uint8)), upsampled(logits, (150, 100)))


def test_allocates_nothing_of_the_size_of_an_image() -> None:
    logits = noise(11, (128, 64))
    mask, confidence = np.empty((2, 256, 512), np.uint8)
    decode(logits, mask, confidence)
    tracemalloc.start()
    try:
        decode(logits, mask, confidence)
        count_classes(mask, 11)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16_000


LOGITS, MASK = np.zeros((3, 4, 5), np.float32), np.zeros((8, 10), np.uint8)


@pytest.mark.parametrize(
    ("logits", "mask", "confidence", "message"),
    [
        (LOGITS[0], MASK, None, r"logits: float32 \(classes, h, w\) is needed"),
        (LOGITS.astype(np.float64), MASK, None, "not float64"),
        (LOGITS[:1], MASK, None, "2 to 32 classes can be decoded, not 1"),
        (np.zeros((33, 4, 5), np.float32), MASK, None, "not 33"),
        (LOGITS[:, :, :0], MASK, None, r"not float32 \(3, 4, 0\)"),
        (LOGITS[:, :3], MASK, None, "logits must be contiguous"),
        (LOGITS, MASK[None], None, r"mask: uint8 \(H, W\)"),
        (LOGITS, MASK.astype(np.int64), None, "not int64"),
        (LOGITS, MASK[:, ::2], None, "side by side"),
        (LOGITS, MASK, MASK[:4], r"confidence: uint8 \(8, 10\) is needed, not uint8 \(4, 10\)"),
        (LOGITS, MASK, MASK.astype(np.float32), "confidence: .* not float32"),
    ],
)
def test_refuses(logits: Logits, mask: object, confidence: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        decode(logits, mask, confidence)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


def test_counts_of_classes() -> None:
    room = np.random.default_rng(5).integers(0, 256, (37, 60), np.uint8)
    mask = room[:, :53]
    counts = count_classes(mask, 256)
    np.testing.assert_array_equal(counts, np.bincount(mask.ravel(), minlength=256))
    np.testing.assert_array_equal(count_classes(mask, 11), counts[:11])


@pytest.mark.parametrize("classes", [0, -1, 257])
def test_refuses_to_count(classes: int) -> None:
    with pytest.raises(ValueError, match="1 to 256 classes"):
        count_classes(MASK, classes)
