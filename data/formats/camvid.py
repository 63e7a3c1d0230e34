"""CamVid as SegNet split it: train/images/*.jpg, train/masks/*.png, val/…, test/…."""

from __future__ import annotations

from pathlib import Path

from roadseg.data.dataset import Dataset, Sample
from roadseg.data.formats.folders import images_in, make_dataset, split_folders
from roadseg.data.labelled_files import LabelledFiles
from roadseg.runtime.road_classes import ROAD_CLASSES

VOID = 11


def open_camvid(folder: Path, split: str) -> Dataset:
    """Open CamVid: FOLDER/SPLIT/images/*.jpg, FOLDER/SPLIT/masks/*.png.

    Brostow et al., 2009; Badrinarayanan et al., 2017. The group is the drive, the first part of a
    name: 0016E5_07959.
    """
    samples: list[Sample] = []
    strays: list[Path] = []
    for part in split_folders(folder, split):
        masks = {path.stem: path for path in images_in(part / "masks")}
        for image in images_in(part / "images"):
            group = image.stem.split("_")[0]
            samples.append(Sample(image.stem, image, masks.pop(image.stem, None), group))
        strays += masks.values()
    reader = LabelledFiles(ROAD_CLASSES, void=(VOID,))
    licence = "CC BY-NC 4.0 (as its publisher states)"
    return make_dataset("camvid", ROAD_CLASSES, samples, licence, reader, strays)
