"""Frames to measure with: pictures that look like a road, made once and held in memory."""

from __future__ import annotations

import time

import numpy as np

from roadseg.runtime.frame import Frame, PixelFormat, Pixels

FORMATS = tuple(one.value for one in (PixelFormat.BGR, PixelFormat.NV12, PixelFormat.YUYV))


def road_frames(width: int, height: int, pixel_format: str, count: int = 4) -> list[Frame]:
    """Make `count` different frames of width x height pixels.

    A scene with smooth areas, edges and sensor noise: where the network's classes meet decides
    how much the decoding of a mask costs, so neither a flat picture nor white noise would do.
    """
    layout = PixelFormat(pixel_format)
    scenes = (_scene(width, height, seed) for seed in range(count))
    make = {PixelFormat.NV12: _to_nv12, PixelFormat.YUYV: _to_yuyv}.get(
        layout, np.ascontiguousarray
    )
    return [
        Frame(make(scene), layout, time.monotonic_ns(), number, f"{number:06d}")
        for number, scene in enumerate(scenes)
    ]


def _scene(width: int, height: int, seed: int) -> Pixels:
    """Paint sky, ground, a road to the horizon and a few boxes; (height, width, 3) BGR.

    In bytes throughout, so that making frames is not the peak of a worker's memory.
    """
    random = np.random.default_rng(seed)
    picture = np.empty((height, width, 3), np.uint8)
    horizon = int(height * random.uniform(0.35, 0.5))
    centre = int(width * random.uniform(0.4, 0.6))
    picture[:horizon] = (210, 170, 140)
    picture[horizon:] = (60, 110, 80)
    for row in range(horizon, height):
        half = int(width * (0.02 + 0.5 * (row - horizon) / (height - horizon)))
        picture[row, max(0, centre - half) : centre + half] = (95, 95, 95)
    for _ in range(6):
        left, top = random.integers(0, width - 8), int(horizon * random.uniform(0.5, 1.2))
        wide, high = random.integers(4, 5 + width // 8), random.integers(4, 5 + height // 6)
        picture[top : top + high, left : left + wide] = random.integers(0, 230, 3)
    picture += random.integers(0, 25, (height, width, 1), np.uint8)
    return picture


def _to_nv12(picture: Pixels) -> Pixels:
    """Convert BGR with even sides to NV12, (height * 3 / 2, width)."""
    import cv2

    height, width = picture.shape[:2]
    planar = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    luma, chroma = planar[: height * width], planar[height * width :]
    pairs = chroma.reshape(2, -1).T.reshape(-1)
    return np.concatenate([luma, pairs]).reshape(height * 3 // 2, width).astype(np.uint8)


def _to_yuyv(picture: Pixels) -> Pixels:
    """Convert BGR with an even width to YUYV, (height, width, 2)."""
    import cv2

    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_YUY2), np.uint8)
