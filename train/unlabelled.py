"""Frames without labels: image files of folders, and frames of videos, a second apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import DataError
from roadseg.runtime.images import decode_image, is_image
from roadseg.runtime.sources import open_source, whole_frames
from roadseg.train.pseudo_labels import UNLABELLED

Pixels = NDArray[np.uint8]

JPEG_QUALITY = 95  # of a video's frames in memory
VIDEO_STEP_S = 1.0  # between two that are taken of a video: nearer ones show the same


class UnlabelledFrames(Sequence[tuple[Pixels, Pixels]]):
    """Frames (H, W, 3) RGB by index, each with a mask (H, W) that is UNLABELLED throughout.

    frames: image files, and JPEG files in memory, each with what it is called in errors.
    """

    def __init__(self, frames: Sequence[tuple[str, Path | bytes]]) -> None:
        self.frames = frames

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.frames)

    def __getitem__(self, index: int) -> tuple[Pixels, Pixels]:  # type: ignore[override]
        """Return a frame and its mask; raises DataError when it cannot be read."""
        name, where = self.frames[index]
        content = where.read_bytes() if isinstance(where, Path) else where
        image = np.asarray(cv2.cvtColor(decode_image(content, name), cv2.COLOR_BGR2RGB), np.uint8)
        return image, np.full(image.shape[:2], UNLABELLED, np.uint8)


def open_unlabelled(paths: Sequence[Path]) -> UnlabelledFrames:
    """Find the images below each folder, and the frames of each video.

    Raises DataError for a path that is missing, cannot be read, or has no frames.
    """
    frames: list[tuple[str, Path | bytes]] = []
    for path in paths:
        before = len(frames)
        frames.extend(_images(path) if path.is_dir() or is_image(path) else _video(path))
        if len(frames) == before:
            raise DataError(f"{path}: there are no frames in it")
    return UnlabelledFrames(frames)


def _images(path: Path) -> Iterator[tuple[str, Path | bytes]]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return ((str(file), file) for file in files if is_image(file) and file.is_file())


def _video(path: Path) -> Iterator[tuple[str, Path | bytes]]:
    """Read a video through; broken frames are left out."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such folder or video")
    with open_source(str(path)) as source:
        step = max(1, round(VIDEO_STEP_S * source.info.fps))
        for number, frame in whole_frames(source):
            if number % step == 0:
                options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
                content = cv2.imencode(".jpg", np.ascontiguousarray(frame.pixels), options)[1]
                yield f"{path}, frame {number}", content.tobytes()
