"""BDD100K's semantic masks: images/10k/SPLIT/*.jpg, labels/sem_seg/masks/SPLIT/*.png."""

from __future__ import annotations

from pathlib import Path

from roadseg.data.class_sets import CITYSCAPES_CLASSES
from roadseg.data.dataset import Dataset, Sample
from roadseg.data.formats.folders import images_in, make_dataset, split_folders
from roadseg.data.labelled_files import LabelledFiles


def open_bdd100k(folder: Path, split: str) -> Dataset:
    """Open BDD100K (Yu et al., CVPR 2020): masks hold Cityscapes' train ids, 255 is void.

    Which images are of one drive is not published: there are no groups.
    """
    samples: list[Sample] = []
    strays: list[Path] = []
    for part in split_folders(folder / "images" / "10k", split):
        labels = folder / "labels" / "sem_seg" / "masks" / part.name
        masks = {path.stem: path for path in images_in(labels)}
        for image in images_in(part):
            samples.append(Sample(image.stem, image, masks.pop(image.stem, None), ""))
        strays += masks.values()
    licence = "BDD100K's own licence"
    reader = LabelledFiles(CITYSCAPES_CLASSES)
    return make_dataset("bdd100k", CITYSCAPES_CLASSES, samples, licence, reader, strays)
