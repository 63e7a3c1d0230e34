"""Readers of public data sets and of labelling tools' files, one a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roadseg.data.dataset import Dataset
from roadseg.data.formats.bdd100k import open_bdd100k
from roadseg.data.formats.camvid import open_camvid
from roadseg.data.formats.cityscapes import CityscapesOptions, open_cityscapes
from roadseg.data.formats.coco import CocoOptions, open_coco
from roadseg.data.formats.cvat import open_cvat
from roadseg.data.formats.idd import open_idd
from roadseg.data.formats.idd_lite import open_idd_lite
from roadseg.data.formats.kitti_road import open_kitti_road
from roadseg.data.formats.labelme import open_labelme
from roadseg.data.formats.painted import ShapeOptions
from roadseg.data.formats.via import ViaOptions, open_via
from roadseg.runtime.errors import UsageError
from roadseg.runtime.sources.query import parse_query

__all__ = ["FORMATS", "open_format"]

# Name, what follows the colon, the function that opens it, the options after a question mark.
FORMATS: dict[str, tuple[str, Callable[..., Dataset], type[Any] | None]] = {
    "camvid": ("FOLDER", open_camvid, None),
    "idd_lite": ("FOLDER", open_idd_lite, None),
    "cityscapes": ("FOLDER", open_cityscapes, CityscapesOptions),
    "idd": ("FOLDER", open_idd, None),
    "bdd100k": ("FOLDER", open_bdd100k, None),
    "kitti_road": ("FOLDER", open_kitti_road, None),
    "coco": ("FILE.json", open_coco, CocoOptions),
    "labelme": ("FOLDER", open_labelme, ShapeOptions),
    "cvat": ("FILE.xml or FOLDER", open_cvat, ShapeOptions),
    "via": ("FILE.json or FILE.csv", open_via, ViaOptions),
}


def open_format(kind: str, rest: str, split: str) -> Dataset:
    """Open KIND:PATH?options; raises UsageError for an unknown option or split."""
    path, _, query = rest.partition("?")
    _, open_it, options = FORMATS[kind]
    where = Path(os.path.expanduser(path))
    if options is None:
        if query:
            raise UsageError(f"{kind}:{rest}: {kind} has no options")
        return open_it(where, split)
    return open_it(where, split, parse_query(f"{kind}:?{query}", options))
