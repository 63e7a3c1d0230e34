"""KITTI road: training/image_2/um_000000.png and training/gt_image_2/um_road_000000.png."""

from __future__ import annotations

from pathlib import Path

from roadseg.data.dataset import Dataset, Sample
from roadseg.data.formats.folders import images_in, make_dataset, refuse_split
from roadseg.data.labelled_files import LabelledFiles
from roadseg.runtime.errors import DataError
from roadseg.runtime.spec import ClassInfo

# Colours of its masks: red is valid, blue road; black is not scored.
CLASSES = (
    ClassInfo("background", (255, 0, 0)),
    ClassInfo("road", (255, 0, 255), drivable=True),
)
LICENCE = "CC BY-NC-SA 3.0"


def open_kitti_road(folder: Path, split: str) -> Dataset:
    """Open KITTI's road benchmark (Fritsch et al., ITSC 2013), training part, road masks.

    The ego lane's masks (um_lane_…) are left out. The group is the kind of road: um (urban
    marked), umm (several lanes), uu (unmarked); which drive a frame is of is not published.
    """
    refuse_split(folder, split)
    base = folder / "training" if (folder / "training").is_dir() else folder
    if not (base / "image_2").is_dir():
        raise DataError(f"{base / 'image_2'}: there is no such folder")
    masks = {path.stem: path for path in images_in(base / "gt_image_2", "*_road_*.png")}
    samples: list[Sample] = []
    for image in images_in(base / "image_2"):
        kind, _, number = image.stem.partition("_")
        mask = masks.pop(f"{kind}_road_{number}", None)
        samples.append(Sample(image.stem, image, mask, kind))
    reader = LabelledFiles(CLASSES)
    return make_dataset("kitti_road", CLASSES, samples, LICENCE, reader, masks.values())
