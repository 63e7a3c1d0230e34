"""IDD: Cityscapes' layout, with …_labellevel3Ids.png or …_polygons.json in gtFine/SPLIT/DRIVE."""

from __future__ import annotations

from pathlib import Path

from roadseg.data.class_sets import IDD_CLASSES
from roadseg.data.dataset import Dataset
from roadseg.data.formats.cityscapes import FineLabels, fine_samples
from roadseg.data.formats.folders import make_dataset
from roadseg.data.formats.label_polygons import LabelPolygons
from roadseg.data.labelled_files import LabelledFiles
from roadseg.runtime.spec import IGNORE

# Labels that have no class of their own at level 3, and the class that they are part of.
PARTS = {
    "parking": "drivable fallback",
    "rail track": "non-drivable fallback",
    "animal": "person",
    "caravan": "vehicle fallback",
    "trailer": "vehicle fallback",
    "train": "vehicle fallback",
    "polegroup": "pole",
    "tunnel": "bridge",
    "fallback background": "sky",
}
VOID = ("unlabeled", "ego vehicle", "rectification border", "out of roi", "license plate")


def open_idd(folder: Path, split: str) -> Dataset:
    """Open IDD (Varma et al., WACV 2019), 26 classes (level 3); the group is the drive."""
    numbers = {info.name: number for number, info in enumerate(IDD_CLASSES)}
    numbers |= {part: numbers[whole] for part, whole in PARTS.items()}
    numbers |= dict.fromkeys(VOID, IGNORE)
    kinds = {
        "labellevel3Ids.png": LabelledFiles(IDD_CLASSES),
        "polygons.json": LabelPolygons(IDD_CLASSES, numbers, IGNORE),
    }
    samples, strays = fine_samples(folder, split, tuple(kinds))
    read = FineLabels(kinds)
    return make_dataset("idd", IDD_CLASSES, samples, "research use", read, strays, read.notes)
