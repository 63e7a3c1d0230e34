"""Pictures and videos whose masks are known: areas of red, green and blue."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def striped(width: int = 96, height: int = 64, shift: int = 0) -> tuple[Pixels, Pixels]:
    """Return a BGR picture of three broad stripes, and its mask (red 0, green 1, blue 2)."""
    columns = (np.arange(width) * 3 // width + shift) % 3
    mask = np.tile(columns.astype(np.uint8), (height, 1))
    rgb = np.array([[230, 20, 20], [20, 230, 20], [20, 20, 230]], np.uint8)
    return np.ascontiguousarray(rgb[mask][..., ::-1]), mask


def write_video(path: Path, frames: int = 12, size: tuple[int, int] = (96, 64)) -> Path:
    """Write a video of stripes that move on by one with each frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, size)
    for number in range(frames):
        writer.write(striped(*size, shift=number)[0])
    writer.release()
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video of 12 frames, 96x64."""
    return write_video(tmp_path / "stripes.mp4")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of three images of different sizes."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, size in enumerate([(96, 64), (97, 65), (130, 50)]):
        cv2.imwrite(str(folder / f"road{number}.png"), striped(*size, shift=number)[0])
    return folder
