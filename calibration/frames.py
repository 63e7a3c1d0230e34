"""Which frames to calibrate and score with: spread over all that there are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roadseg.data import Dataset, open_dataset
from roadseg.runtime.errors import DataError
from roadseg.runtime.frame import Frame, PixelFormat
from roadseg.runtime.options import Size
from roadseg.runtime.preprocess import preprocess
from roadseg.runtime.sources import open_source, whole_frames

Pixels = NDArray[np.uint8]

PLAIN = 4.0  # grey levels of standard deviation, below which a frame shows nothing
ENDLESS_STEP = 15  # frames between two that are taken of a source without end


@dataclass(frozen=True)
class LabelledFrame:
    """A frame, and its mask (H, W) uint8 where there are labels."""

    frame: Frame
    truth: Pixels | None


def calibration_frames(uri: str, count: int, split: str, seed: int = 0) -> list[LabelledFrame]:
    """Return up to `count` frames of a data set, a folder, a video or synthetic:.

    One is drawn from each of `count` equal parts, seeded: of a data set's split (of the whole set
    where it has no such split), of a video, of a folder. Raises DataError when there are none.
    """
    if count < 1:
        raise DataError(f"{uri}: {count} frames were asked for; at least 1 is needed")
    frames = list(_from_dataset(uri, count, split, seed) or _from_source(uri, count, seed))
    if not frames:
        raise DataError(f"{uri}: there are no frames in it")
    return frames


def is_dataset(uri: str) -> bool:
    """Whether a URI names labelled data: a known layout, or a folder with a dataset.toml."""
    kind = uri.partition(":")[0]
    return kind in ("camvid", "idd_lite") or (Path(uri) / "dataset.toml").is_file()


def _from_dataset(uri: str, count: int, split: str, seed: int) -> Iterator[LabelledFrame] | None:
    if not is_dataset(uri):
        return None
    dataset = _open_split(uri, split)
    labelled = [sample for sample in dataset.samples if sample.mask is not None]
    if not labelled:
        raise DataError(f"{uri}: no image in split '{split}' has a mask")
    places = spread(len(labelled), count, seed)
    return (_load(dataset, labelled[place], place) for place in places)


def _open_split(uri: str, split: str) -> Dataset:
    """Open a split, or the whole set when it was never split."""
    folder = Path(uri)
    if folder.is_dir() and not (folder / "splits").is_dir():
        return open_dataset(uri)
    return open_dataset(uri, split)


def _load(dataset: Dataset, sample: object, place: int) -> LabelledFrame:
    image, mask = dataset.load(sample)  # type: ignore[arg-type]
    return LabelledFrame(Frame(image, PixelFormat.RGB, 0, place), mask)


def spread(total: int, count: int, seed: int) -> list[int]:
    """Return up to `count` places below `total`, one drawn from each of `count` equal parts."""
    if count >= total:
        return list(range(total))
    edges = np.linspace(0, total, count + 1).astype(int)
    random = np.random.default_rng(seed)
    return [int(random.integers(a, b)) for a, b in itertools.pairwise(edges)]


def _from_source(uri: str, count: int, seed: int) -> Iterator[LabelledFrame]:
    """Read on through a source; all frames are given back at once, those that are taken as copies.

    A camera has few buffers, and none after it is closed.
    """
    with open_source(uri) as source:
        total = source.info.frames or count * ENDLESS_STEP
        wanted = set(spread(total, count, seed))
        for place, frame in whole_frames(source):
            if place in wanted:
                yield LabelledFrame(_copy(frame), None)
            if place >= total - 1:
                return


def _copy(frame: Frame) -> Frame:
    """Return a frame that owns its pixels."""
    chroma = None if frame.chroma is None else frame.chroma.copy()
    return Frame(
        frame.pixels.copy(),
        frame.format,
        frame.timestamp_ns,
        frame.sequence,
        frame.name,
        chroma=chroma,
    )


def is_plain(frames: Sequence[LabelledFrame]) -> bool:
    """Whether no frame shows anything: all-black recordings happen."""
    return all(float(each.frame.pixels.std()) < PLAIN for each in frames)


def network_inputs(frames: Sequence[LabelledFrame], size: Size) -> Iterator[Pixels]:
    """Give each frame as the network's input (height, width, 3), in one buffer."""
    pixels = np.empty((size.height, size.width, 3), np.uint8)
    for each in frames:
        yield preprocess(each.frame, pixels)
