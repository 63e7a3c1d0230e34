"""COCO: one JSON file of images, categories and annotations, as polygons or run lengths."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadseg.data.dataset import Dataset, Sample
from roadseg.data.formats.coco_shapes import PolygonShape, RunsShape, read_runs, ring
from roadseg.data.formats.folders import image_path, make_dataset, path_name, refuse_split
from roadseg.data.formats.json_files import read_json, reason
from roadseg.data.formats.painted import (
    Annotation,
    PaintedShapes,
    Shape,
    ShapeOptions,
    label_classes,
)
from roadseg.runtime.errors import DataError


@dataclass(frozen=True)
class CocoOptions(ShapeOptions):
    """What coco:FILE.json? takes.

    images: folder of the images; by default it is looked for beside the file.
    """

    images: str = ""


class CocoAnnotations:
    """Gives the shapes of a sample; they are made when they are asked for.

    entries: annotations by image id, in the order of the file.
    """

    def __init__(
        self,
        images: dict[str, dict[str, Any]],
        entries: dict[int, list[dict[str, Any]]],
        labels: dict[int, str],
    ) -> None:
        self.images, self.entries, self.labels = images, entries, labels

    def __call__(self, sample: Sample) -> Annotation:
        """Return the shapes of a sample; raises DataError that names the annotation at fault."""
        image = self.images[sample.name]
        size = image["width"], image["height"]
        shapes = []
        for entry in self.entries.get(image["id"], ()):
            try:
                if entry["category_id"] not in self.labels:
                    raise DataError(f"unknown category {entry['category_id']}")
                label, shape = self.labels[entry["category_id"]], _shape(entry, *size)
            except (DataError, KeyError, OverflowError, TypeError, ValueError) as error:
                raise DataError(
                    f"{sample.mask}: annotation {entry.get('id')}: {reason(error)}"
                ) from None
            shapes.append((label, shape))
        return Annotation(tuple(shapes), size)


def open_coco(file: Path, split: str, options: CocoOptions) -> Dataset:
    """Open a COCO file (Lin et al., ECCV 2014); classes are in the order of category ids.

    The group is the folder in an image's file_name.
    """
    refuse_split(file, split)
    raw = read_json(file)
    entries: dict[int, list[dict[str, Any]]] = defaultdict(list)
    try:
        for entry in raw["annotations"]:
            entries[entry["image_id"]].append(entry)
        labels = _labels(file, raw["categories"])
        listed = [(_path(file, image), image) for image in raw["images"]]
        for _, image in listed:
            image["width"], image["height"] = int(image["width"]), int(image["height"])
        strangers = set(entries) - _ids(file, "images", raw["images"], "file_name")
        licence = "; ".join(str(each.get("name", "")) for each in raw.get("licenses") or ())
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise DataError(f"{file}: not a COCO file of annotations ({reason(error)})") from None
    if strangers:
        one = min(strangers, key=str)
        raise DataError(f"{file}: annotations of an image that is not listed, id {one}")
    folder = Path(options.images) if options.images else _image_folder(file, listed)
    images = {path_name(path)[0]: image for path, image in listed}
    samples = [_sample(path, folder, file) for path, _ in listed]
    classes, numbers, background = label_classes(labels.values(), options, file)
    reader = PaintedShapes(numbers, background, CocoAnnotations(images, dict(entries), labels))
    return make_dataset(file.stem, classes, samples, licence, reader, notes=reader.notes)


def _labels(file: Path, categories: list[dict[str, Any]]) -> dict[int, str]:
    """Return the names of categories by id, in the order of ids."""
    _ids(file, "categories", categories, "name")
    for each in categories:
        if not isinstance(each["name"], str):
            raise DataError(f"{file}: category {each['id']}: its name is no text: {each['name']!r}")
    return {each["id"]: each["name"] for each in sorted(categories, key=lambda each: each["id"])}


def _ids(file: Path, what: str, entries: list[dict[str, Any]], name: str) -> set[int]:
    """Return the ids of entries; raises DataError when two have one."""
    seen: dict[int, object] = {}
    for entry in entries:
        if entry["id"] in seen:
            pair = f"'{seen[entry['id']]}' and '{entry[name]}'"
            raise DataError(f"{file}: the {what} {pair} have one id, {entry['id']}")
        seen[entry["id"]] = entry[name]
    return set(seen)


def _path(file: Path, image: dict[str, Any]) -> str:
    return image_path(image["file_name"], f"{file}: image {image['id']}")


def _sample(path: str, folder: Path, file: Path) -> Sample:
    name, group = path_name(path)
    return Sample(name, folder / path, file, group)


def _image_folder(file: Path, listed: list[tuple[str, dict[str, Any]]]) -> Path:
    """Return the folder where the first image is: beside the file, in images/, in SPLIT/."""
    split = file.stem.rpartition("_")[2]  # instances_val2017.json
    above = file.parent.parent
    places = (file.parent, file.parent / "images", above, above / "images", above / split)
    for place in (*places, above / "images" / split):
        if listed and (place / listed[0][0]).is_file():
            return place
    return file.parent


def _shape(entry: dict[str, Any], width: int, height: int) -> Shape:
    segmentation = entry["segmentation"]
    if isinstance(segmentation, list):
        if not segmentation:
            raise DataError("no polygon")
        return PolygonShape(tuple(ring(values) for values in segmentation))
    counts, size = segmentation["counts"], tuple(segmentation["size"])
    if size != (height, width):
        raise DataError(f"run lengths for {size[1]}x{size[0]}, but the image is {width}x{height}")
    runs = read_runs(counts) if isinstance(counts, str) else tuple(map(int, counts))
    return RunsShape(runs, 0, 0, width, height, by_column=True)
