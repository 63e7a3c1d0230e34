"""Labelled data sets: open_dataset("camvid:FOLDER") gives images, masks and what they mean."""

from __future__ import annotations

import os
from pathlib import Path

from roadseg.data.dataset import Dataset, LabelledImage, Sample
from roadseg.runtime.errors import DataError

__all__ = ["Dataset", "LabelledImage", "Sample", "open_dataset"]


def open_dataset(uri: str, split: str = "all") -> Dataset:
    """Open a FOLDER in the plain layout, synthetic:?n=20, or FORMAT:PATH, such as camvid:FOLDER.

    The formats are listed in roadseg.data.formats. Raises DataError when it cannot be opened or
    has no images, UsageError for an unknown split.
    """
    dataset = _open(uri, split)
    if not dataset.samples:
        raise DataError(f"{uri}: there are no images in it (split {split})")
    return dataset


def _open(uri: str, split: str) -> Dataset:
    from roadseg.data.formats import FORMATS, open_format
    from roadseg.data.plain import open_plain

    kind, colon, rest = uri.partition(":")
    if colon and kind == "synthetic":
        from roadseg.data.synthetic import open_synthetic

        return open_synthetic(rest, split)
    if colon and kind in FORMATS:
        return open_format(kind, rest, split)
    folder = Path(os.path.expanduser(uri))  # Path's raises where there is no such user
    if not folder.is_dir():
        known = ", ".join(f"{name}:{what}" for name, (what, _, _) in FORMATS.items())
        raise DataError(
            f"{uri}: there is no such data set; known are {known}, synthetic:, or a folder with "
            "a dataset.toml"
        )
    return open_plain(folder, split)
