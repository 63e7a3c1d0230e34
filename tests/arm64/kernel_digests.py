"""Print a digest of what each native kernel makes of the same pictures: equal on every machine."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.decode import count_classes, decode
from roadseg.runtime.frame import STACKED, Frame, PixelFormat
from roadseg.runtime.overlay import overlay
from roadseg.runtime.preprocess import preprocess

CHANNELS = {PixelFormat.BGR: 3, PixelFormat.RGB: 3, PixelFormat.YUYV: 2, PixelFormat.UYVY: 2}
SIZES = [(354, 218), (257, 131), (640, 360), (33, 47)]  # of the output


def main() -> None:
    random = np.random.default_rng(1)
    for pixel_format, (width, height) in itertools.product(PixelFormat, SIZES):
        frame = make_frame(random, pixel_format, 354, 218)
        out = preprocess(frame, np.empty((height, width, 3), np.uint8))
        tell(f"preprocess {pixel_format.value} {width}x{height}", out)
    for classes, (width, height) in itertools.product((2, 11, 19), SIZES):
        logits = (random.integers(-999, 999, (classes, 45, 60)) / 64).astype(np.float32)
        mask = np.empty((height, width), np.uint8)
        tell(f"decode {classes} {width}x{height}", decode(logits, mask))
        tell(f"count {classes} {width}x{height}", count_classes(mask, classes))
        pixels, palette = (
            random.integers(0, 256, shape, np.uint8) for shape in ((height, width, 3), (256, 3))
        )
        tell(f"overlay {classes} {width}x{height}", overlay(pixels, mask, palette, 0.4, pixels))


def make_frame(
    random: np.random.Generator, pixel_format: PixelFormat, width: int, height: int
) -> Frame:
    rows = height * 3 // 2 if pixel_format in STACKED else height
    channels = CHANNELS.get(pixel_format, 1)
    shape = (rows, width, channels) if channels > 1 else (rows, width)
    chroma = random.integers(0, 256, (height // 2, width), np.uint8)
    return Frame(
        random.integers(0, 256, shape, np.uint8),
        pixel_format,
        0,
        0,
        chroma=chroma if pixel_format is PixelFormat.NV12M else None,
    )


def tell(name: str, made: NDArray[np.generic]) -> None:
    print(name, hashlib.sha256(made.tobytes()).hexdigest()[:16])


if __name__ == "__main__":
    main()
