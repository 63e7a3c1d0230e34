"""A picture to annotate, and how data sets of it are read."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np

from roadseg.data import open_dataset

HEIGHT, WIDTH = 30, 40
BOX = [4, 4, 24, 4, 24, 20, 4, 20]  # x 4 to 24, y 4 to 20
OVER = [14, 10, 34, 10, 34, 26, 14, 26]  # lies over a corner of BOX


def image(path: Path) -> Path:
    """Write a picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def masks(uri: str) -> list[np.ndarray]:
    """Return the masks of a data set."""
    dataset = open_dataset(uri)
    read = pickle.loads(pickle.dumps(dataset.read))  # as a data loader's workers get it
    return [read(sample)[1] for sample in dataset.samples]


def names(uri: str) -> list[str]:
    """Return the names of a data set's classes."""
    return [info.name for info in open_dataset(uri).classes]
