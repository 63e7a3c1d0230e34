"""CVAT's masks: JPEGImages/, SegmentationClass/*.png in colours, labelmap.txt; PASCAL VOC's layout.

labelmap.txt has a line for each label, name:red,green,blue:parts:actions.
"""

from __future__ import annotations

from pathlib import Path

from roadseg.data.dataset import Dataset, Sample
from roadseg.data.formats.folders import images_in, make_dataset, path_name
from roadseg.data.formats.painted import DRIVABLE, class_name
from roadseg.data.labelled_files import LabelledFiles
from roadseg.data.splits import read_names
from roadseg.runtime.errors import DataError, ModelError
from roadseg.runtime.spec import ClassInfo


def open_cvat_masks(folder: Path, split: str) -> Dataset:
    """Open the folder; a split is a list of names, ImageSets/Segmentation/SPLIT.txt."""
    classes = read_labelmap(folder / "labelmap.txt")
    labels = folder / "SegmentationClass"
    masks = {path_name(path.relative_to(labels))[0]: path for path in images_in(labels, "**/*")}
    images = folder / "JPEGImages"
    samples = []
    for image in images_in(images, "**/*"):
        name, group = path_name(image.relative_to(images))
        samples.append(Sample(name, image, masks.pop(name, None), group))
    if split != "all":
        listed = read_names(folder / "ImageSets" / "Segmentation" / f"{split}.txt")
        wanted = {path_name(f"{name}.png")[0] for name in listed}
        samples = [sample for sample in samples if sample.name in wanted]
    reader = LabelledFiles(classes, palette="colours")
    return make_dataset(folder.resolve().name, classes, samples, "", reader, masks.values())


def read_labelmap(path: Path) -> tuple[ClassInfo, ...]:
    """Return the labels in the order of the file; raises DataError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    classes: dict[str, ClassInfo] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        name = class_name(name, f"{path}:{number}")
        try:
            red, green, blue = (int(value) for value in rest.split(":")[0].split(","))
            info = ClassInfo(name, (red, green, blue), name in DRIVABLE)
        except (ValueError, ModelError):
            raise DataError(f"{path}:{number}: not name:red,green,blue:parts:actions") from None
        if name in classes:
            raise DataError(f"{path}:{number}: '{name}' is there twice")
        classes[name] = info
    if not classes:
        raise DataError(f"{path}: has no labels, name:red,green,blue:parts:actions")
    return tuple(classes.values())
