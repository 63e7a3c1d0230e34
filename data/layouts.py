"""The layouts of public data sets: where their images and masks are, and what masks mean."""

from __future__ import annotations

from pathlib import Path

from roadseg.data.class_sets import IDD_LITE_CLASSES
from roadseg.data.dataset import Dataset, Sample
from roadseg.data.labelled_files import LabelledFiles
from roadseg.runtime.errors import DataError, unknown
from roadseg.runtime.images import is_image
from roadseg.runtime.road_classes import ROAD_CLASSES
from roadseg.runtime.spec import ClassInfo

CAMVID_VOID = 11


def open_camvid(folder: Path, split: str) -> Dataset:
    """Open CamVid as SegNet split it: FOLDER/SPLIT/images/*.jpg, FOLDER/SPLIT/masks/*.png.

    Brostow et al., 2009; Badrinarayanan et al., 2017. The group is the drive, the first part of a
    name: 0016E5_07959.
    """
    samples: list[Sample] = []
    strays: list[Path] = []
    for part in _parts(folder, split, ("train", "val", "test")):
        masks = {path.stem: path for path in _images(part / "masks")}
        for image in _images(part / "images"):
            group = image.stem.split("_")[0]
            samples.append(Sample(image.stem, image, masks.pop(image.stem, None), group))
        strays += masks.values()
    reader = LabelledFiles(ROAD_CLASSES, void=(CAMVID_VOID,))
    licence = "CC BY-NC 4.0 (as its publisher states)"
    return _dataset("camvid", ROAD_CLASSES, samples, licence, reader, strays)


def open_idd_lite(folder: Path, split: str) -> Dataset:
    """Open IDD-Lite: leftImg8bit/SPLIT/DRIVE/N_image.jpg and gtFine/SPLIT/DRIVE/N_label.png.

    Varma et al., 2019. The group is the drive's folder.
    """
    samples: list[Sample] = []
    strays: list[Path] = []
    labels = folder / "gtFine"
    for part in _parts(folder / "leftImg8bit", split, ("train", "val", "test")):
        masks = {
            (path.parent.name, path.stem.removesuffix("_label")): path
            for path in _images(labels / part.name, "*/*_label.png")
        }
        for image in _images(part, "*/*_image.*"):
            drive, number = image.parent.name, image.stem.removesuffix("_image")
            mask = masks.pop((drive, number), None)
            samples.append(Sample(f"{drive}_{number}", image, mask, drive))
        strays += masks.values()
    reader = LabelledFiles(IDD_LITE_CLASSES)
    return _dataset("idd_lite", IDD_LITE_CLASSES, samples, "research use", reader, strays)


def _parts(folder: Path, split: str, known: tuple[str, ...]) -> list[Path]:
    """Return the folders of a split, or of all splits."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    if split != "all" and split not in known:
        raise unknown("split", split, ("all", *known))
    there = [folder / name for name in known if (folder / name).is_dir()]
    found = [part for part in there if split in ("all", part.name)]
    if not found:
        names = ", ".join(part.name for part in there) or "none"
        raise DataError(f"{folder}: has no split '{split}' (there are: {names})")
    return found


def _images(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if is_image(path))


def _dataset(
    name: str,
    classes: tuple[ClassInfo, ...],
    samples: list[Sample],
    licence: str,
    reader: LabelledFiles,
    strays: list[Path],
) -> Dataset:
    ordered = tuple(sorted(samples, key=lambda sample: sample.name))
    return Dataset(name, classes, ordered, licence, reader, tuple(strays))
