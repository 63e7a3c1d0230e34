"""IDD-Lite: leftImg8bit/SPLIT/DRIVE/N_image.jpg and gtFine/SPLIT/DRIVE/N_label.png.

N_inst_label.png, which lies beside, numbers the things of a class and is not read.
"""

from __future__ import annotations

from pathlib import Path

from roadseg.data.class_sets import IDD_LITE_CLASSES
from roadseg.data.dataset import Dataset, Sample
from roadseg.data.formats.folders import images_in, make_dataset, split_folders
from roadseg.data.labelled_files import LabelledFiles


def open_idd_lite(folder: Path, split: str) -> Dataset:
    """Open IDD-Lite; the group is the drive's folder. Varma et al., WACV 2019."""
    samples: list[Sample] = []
    strays: list[Path] = []
    labels = folder / "gtFine"
    for part in split_folders(folder / "leftImg8bit", split):
        masks = {
            (path.parent.name, path.stem.removesuffix("_label")): path
            for path in images_in(labels / part.name, "*/*_label.png")
            if not path.stem.endswith("_inst_label")
        }
        for image in images_in(part, "*/*_image.*"):
            drive, number = image.parent.name, image.stem.removesuffix("_image")
            mask = masks.pop((drive, number), None)
            samples.append(Sample(f"{drive}_{number}", image, mask, drive))
        strays += masks.values()
    reader = LabelledFiles(IDD_LITE_CLASSES)
    return make_dataset("idd_lite", IDD_LITE_CLASSES, samples, "research use", reader, strays)
