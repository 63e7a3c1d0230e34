"""Cityscapes: leftImg8bit/SPLIT/CITY/…_leftImg8bit.png and gtFine/SPLIT/CITY/…_gtFine_….

Labels are read from the first of these that an image has: …_labelTrainIds.png (for the scored
classes), …_labelIds.png, …_polygons.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from roadseg.data.class_sets import CITYSCAPES_CLASSES, CITYSCAPES_LABELS, CITYSCAPES_TRAINED
from roadseg.data.dataset import Dataset, LabelledImage, Sample
from roadseg.data.formats.folders import images_in, make_dataset, split_folders
from roadseg.data.formats.label_polygons import LabelPolygons
from roadseg.data.labelled_files import LabelledFiles
from roadseg.runtime.errors import unknown
from roadseg.runtime.spec import IGNORE

LICENCE = "Cityscapes' own licence, non-commercial"


@dataclass(frozen=True)
class CityscapesOptions:
    """What cityscapes:FOLDER? takes.

    labels: scored (the benchmark's 19 classes, the rest void) or all (34, by label id).
    """

    labels: str = "scored"

    def __post_init__(self) -> None:
        """Check values."""
        if self.labels not in ("scored", "all"):
            raise unknown("labels", self.labels, ("scored", "all"))


class FineLabels:
    """Reads a sample by the kind of its label file: what follows the last _ of its name."""

    def __init__(self, kinds: Mapping[str, LabelledFiles]) -> None:
        self.kinds = dict(kinds)

    def __call__(self, sample: Sample) -> LabelledImage:
        """Return the image (H, W, 3) RGB and the mask (H, W), IGNORE where void."""
        return self._reader(sample)(sample)

    def notes(self, sample: Sample) -> list[str]:
        """Return a line for each polygon that is cut off at the image's edge."""
        reader = self._reader(sample)
        return reader.notes(sample) if isinstance(reader, LabelPolygons) else []

    def _reader(self, sample: Sample) -> LabelledFiles:
        kind = "" if sample.mask is None else sample.mask.name.rpartition("_")[2]
        return self.kinds.get(kind, next(iter(self.kinds.values())))


def open_cityscapes(folder: Path, split: str, options: CityscapesOptions) -> Dataset:
    """Open Cityscapes (Cordts et al., CVPR 2016); the group is the city."""
    ids = range(len(CITYSCAPES_LABELS))
    if options.labels == "all":
        classes, numbers = CITYSCAPES_LABELS, {number: number for number in ids}
    else:
        classes = CITYSCAPES_CLASSES
        numbers = {number: CITYSCAPES_TRAINED.index(number) for number in CITYSCAPES_TRAINED}
    void = [number for number in (*ids, IGNORE) if number not in numbers]  # 255: label id -1
    names = {
        info.name: numbers.get(number, IGNORE) for number, info in enumerate(CITYSCAPES_LABELS)
    }
    kinds = {
        "labelIds.png": LabelledFiles(classes, void, numbers),
        "polygons.json": LabelPolygons(classes, names, names["unlabeled"], ("license plate",)),
    }
    if options.labels == "scored":
        kinds = {"labelTrainIds.png": LabelledFiles(classes)} | kinds
    samples, strays = fine_samples(folder, split, tuple(kinds))
    read = FineLabels(kinds)
    return make_dataset("cityscapes", classes, samples, LICENCE, read, strays, read.notes)


def fine_samples(folder: Path, split: str, kinds: Sequence[str]) -> tuple[list[Sample], list[Path]]:
    """Return the samples of leftImg8bit/SPLIT/GROUP/… and labels that belong to no image."""
    samples: list[Sample] = []
    strays: list[Path] = []
    for part in split_folders(folder / "leftImg8bit", split):
        labels = {path: None for kind in kinds for path in _labels(folder, part.name, kind)}
        for image in images_in(part, "*/*"):
            drive, stem = image.parent.name, image.stem.removesuffix("_leftImg8bit")
            base = folder / "gtFine" / part.name / drive / f"{stem}_gtFine_"
            own = [path for kind in kinds if (path := Path(f"{base}{kind}")) in labels]
            for path in own:
                del labels[path]
            name = stem if stem.startswith(f"{drive}_") else f"{drive}_{stem}"
            samples.append(Sample(name, image, own[0] if own else None, drive))
        strays += labels
    return samples, strays


def _labels(folder: Path, split: str, kind: str) -> list[Path]:
    return sorted((folder / "gtFine" / split).glob(f"*/*_gtFine_{kind}"))
