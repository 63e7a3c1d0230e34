"""Labelled data sets: open_dataset("camvid:FOLDER") gives images, masks and what they mean."""

from __future__ import annotations

from pathlib import Path

from roadseg.data.dataset import Dataset, LabelledImage, Sample
from roadseg.runtime.errors import DataError

__all__ = ["Dataset", "LabelledImage", "Sample", "open_dataset"]


def open_dataset(uri: str, split: str = "all") -> Dataset:
    """Open camvid:FOLDER, idd_lite:FOLDER, a FOLDER in the plain layout, or synthetic:?n=20.

    Raises DataError when it cannot be opened or has no images, UsageError for an unknown split.
    """
    dataset = _open(uri, split)
    if not dataset.samples:
        raise DataError(f"{uri}: there are no images in it (split {split})")
    return dataset


def _open(uri: str, split: str) -> Dataset:
    from roadseg.data.layouts import open_camvid, open_idd_lite
    from roadseg.data.plain import open_plain

    kind, colon, rest = uri.partition(":")
    if colon and kind == "synthetic":
        from roadseg.data.synthetic import open_synthetic

        return open_synthetic(rest, split)
    layouts = {"camvid": open_camvid, "idd_lite": open_idd_lite}
    if colon and kind in layouts:
        return layouts[kind](Path(rest).expanduser(), split)
    folder = Path(uri).expanduser()
    if not folder.is_dir():
        known = "camvid:FOLDER, idd_lite:FOLDER, synthetic:, or a folder with a dataset.toml"
        raise DataError(f"{uri}: there is no such data set; known are {known}")
    return open_plain(folder, split)
