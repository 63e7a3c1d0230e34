"""Masks of float and INT8 beside each other, with what differs marked."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.calibration.frames import LabelledFrame
from roadseg.runtime.engines import open_engine
from roadseg.runtime.frame import Frame
from roadseg.runtime.options import Size
from roadseg.runtime.overlay import overlay
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.sinks.painter import palette_bgr, to_bgr

Pixels = NDArray[np.uint8]

WIDTH = 480  # of a picture
DIFFERENT = (255, 0, 255)  # BGR
ALPHA = 0.55


@dataclass(frozen=True)
class Sample:
    """One frame: overlays of both masks and their difference, as JPEG data URIs.

    differing: percent of pixels whose class changed.
    """

    whole: str
    small: str
    difference: str
    differing: float


def compare_masks(
    whole: Path, small: Path, frames: Sequence[LabelledFrame], size: Size, engine: str, count: int
) -> list[Sample]:
    """Segment `count` frames, spread over those given, with two artefacts."""
    both = [Segmenter(open_engine(path, engine, size)) for path in (whole, small)]
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [_sample(frames[place].frame, both) for place in places]


def _sample(frame: Frame, both: Sequence[Segmenter]) -> Sample:
    first, second = (segmenter(frame).mask.copy() for segmenter in both)
    palette = palette_bgr(both[0].engine.spec.classes)
    picture = to_bgr(frame)
    painted = [
        overlay(picture, mask, palette, ALPHA, np.empty_like(picture)) for mask in (first, second)
    ]
    gray = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) // 2 + 90, cv2.COLOR_GRAY2BGR)
    marked = np.asarray(gray, np.uint8)
    marked[first != second] = DIFFERENT
    whole, small, difference = (_uri(each) for each in (*painted, marked))
    return Sample(whole, small, difference, 100 * float((first != second).mean()))


def _uri(picture: Pixels) -> str:
    """Return a picture, made small, as a JPEG in a data URI."""
    height = max(1, round(picture.shape[0] * WIDTH / picture.shape[1]))
    small = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
    content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()
