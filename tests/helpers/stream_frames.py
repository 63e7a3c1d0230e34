"""Frames of the test's streams: how to get them, and how they look."""

from __future__ import annotations

from typing import Any

import numpy as np

from roadseg.runtime.errors import CorruptFrame
from roadseg.runtime.frame import Frame
from roadseg.runtime.preprocess import preprocess
from roadseg.runtime.sources import Source

STRIPES = {15: (230, 20, 20), 47: (20, 230, 20), 80: (20, 20, 230)}  # by column


def next_whole(source: Source) -> Frame:
    """Return the next frame that is whole."""
    while True:
        try:
            frame = source.read()
        except CorruptFrame:
            continue
        assert frame is not None
        return frame


def rgb(frame: Frame) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return preprocess(frame, np.empty((frame.height, frame.width, 3), np.uint8))


def check_stripes(frame: Frame, tolerance: int = 12) -> None:
    seen = rgb(frame).astype(int)
    for column, colour in STRIPES.items():
        assert np.abs(seen[32, column] - colour).max() <= tolerance, (column, seen[32, column])
