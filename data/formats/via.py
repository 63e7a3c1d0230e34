"""VGG Image Annotator: a project or annotations in JSON, or annotations in CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from roadseg.data.dataset import Dataset, Sample
from roadseg.data.formats.coco_shapes import PolygonShape
from roadseg.data.formats.cvat import ellipse, rectangle, turn
from roadseg.data.formats.folders import image_path, make_dataset, path_name, refuse_split
from roadseg.data.formats.json_files import read_json, reason
from roadseg.data.formats.painted import (
    Annotation,
    PaintedShapes,
    Shape,
    ShapeOptions,
    label_classes,
)
from roadseg.runtime.errors import DataError, UsageError


@dataclass(frozen=True)
class ViaOptions(ShapeOptions):
    """What via:FILE? takes.

    attribute: of a region, that is its class; needed when regions have several.
    """

    attribute: str = ""


@dataclass(frozen=True)
class Region:
    """A region of an image as the file has it.

    where: file and line, or file and number, for messages.
    """

    where: str
    image: str
    shape: dict[str, Any]
    attributes: dict[str, Any]


class ViaRegions:
    """Gives the shapes of a sample; raises DataError that names the region at fault."""

    def __init__(self, regions: dict[str, list[Region]], attribute: str) -> None:
        self.regions, self.attribute = regions, attribute

    def __call__(self, sample: Sample) -> Annotation:
        """Return the shapes of a sample."""
        shapes, no_areas = [], []
        for region in self.regions[sample.name]:
            label = _label(region, self.attribute)
            if region.shape.get("name") in ("polyline", "point"):
                no_areas.append(f"a {region.shape['name']} of '{label}' is no area: left out")
                continue
            try:
                shapes.append((label, _shape(region.shape)))
            except (DataError, KeyError, OverflowError, TypeError, ValueError) as error:
                raise DataError(f"{region.where}: {reason(error)}") from None
        return Annotation(tuple(shapes), no_areas=tuple(no_areas))


def open_via(file: Path, split: str, options: ViaOptions) -> Dataset:
    """Open a file of VIA 2 or 1 (Dutta and Zisserman, ACM MM 2019); images lie beside it.

    Classes are in the order of the alphabet; the group is the folder in an image's name.
    """
    refuse_split(file, split)
    named = _from_csv(file) if file.suffix.lower() == ".csv" else _from_json(file)
    listed = list(named)
    attribute = options.attribute or _attribute([r for _, regions in listed for r in regions], file)
    labels = sorted({_label(region, attribute) for _, regions in listed for region in regions})
    classes, numbers, background = label_classes(labels, options, file)
    samples, of = [], {}
    for path, regions in listed:
        name, group = path_name(path)
        places = [folder / path for folder in (file.parent, file.parent / "images")]
        image = next((place for place in places if place.is_file()), places[0])
        samples.append(Sample(name, image, file, group))
        of[name] = regions
    reader = PaintedShapes(numbers, background, ViaRegions(of, attribute))
    return make_dataset(file.stem, classes, samples, "", reader, notes=reader.notes)


def _from_json(file: Path) -> Iterator[tuple[str, list[Region]]]:
    raw = read_json(file)
    try:
        for key, image in raw.get("_via_img_metadata", raw).items():
            regions = image["regions"]
            entries = regions.values() if isinstance(regions, dict) else regions
            name = image_path(image["filename"], f"{file}: {key}")
            where = f"{file}: {name}: region"
            yield name, [_region(f"{where} {n}", name, each) for n, each in enumerate(entries)]
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not a file of VGG Image Annotator ({reason(error)})") from None


def _region(where: str, image: str, entry: dict[str, Any]) -> Region:
    shape, attributes = entry["shape_attributes"], entry["region_attributes"]
    if not isinstance(shape, dict) or not isinstance(attributes, dict):
        raise DataError(f"{where}: its shape_attributes or region_attributes are no object in JSON")
    return Region(where, image, shape, attributes)


def _from_csv(file: Path) -> Iterator[tuple[str, list[Region]]]:
    found: dict[str, list[Region]] = {}
    sizes: dict[str, str | None] = {}
    try:
        with open(file, newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            for row in reader:
                where = f"{file}:{reader.line_num}"
                name = image_path(row["filename" if "filename" in row else "#filename"], where)
                size = row.get("file_size")
                if sizes.setdefault(name, size) != size:
                    raise DataError(f"{where}: two images named '{name}': they differ in file_size")
                regions = found.setdefault(name, [])
                shape = _object(row["region_shape_attributes"], where)
                if shape:
                    attributes = _object(row["region_attributes"], where)
                    regions.append(Region(where, name, shape, attributes))
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}") from None
    except (KeyError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{file}: not a CSV file of VGG Image Annotator ({reason(error)})"
        ) from None
    yield from found.items()


def _object(text: str | None, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON ({error.msg}): {text}") from None
    if not isinstance(value, dict):
        raise DataError(f"{where}: not an object in JSON: {text}")
    return value


def _attribute(regions: list[Region], file: Path) -> str:
    """Return the one attribute that regions have."""
    names = sorted({name for region in regions for name in region.attributes})
    if len(names) != 1:
        listed = ", ".join(names) or "none"
        raise UsageError(
            f"{file}: which attribute of regions is the class? via:{file}?attribute=NAME; "
            f"there are: {listed}"
        )
    return names[0]


def _label(region: Region, attribute: str) -> str:
    """Return a region's class: a text, or the one box that is ticked."""
    value = region.attributes.get(attribute)
    if isinstance(value, dict):
        ticked = [name for name, on in value.items() if on]
        value = ticked[0] if len(ticked) == 1 else None
    if not isinstance(value, str) or not value.strip():
        known = ", ".join(region.attributes) or "none"
        raise DataError(f"{region.where}: has no class in '{attribute}' (attributes: {known})")
    return value


def _shape(entry: dict[str, Any]) -> Shape:
    kind = entry["name"]
    if kind == "polygon":
        points = np.array([entry["all_points_x"], entry["all_points_y"]], np.float64).T
        return PolygonShape((points,))
    if kind == "rect":
        x, y, width, height = (float(entry[key]) for key in ("x", "y", "width", "height"))
        return PolygonShape((rectangle(x, y, x + width, y + height),))
    if kind in ("circle", "ellipse"):
        radii = ("r", "r") if kind == "circle" else ("rx", "ry")
        x, y, rx, ry = (float(entry[key]) for key in ("cx", "cy", *radii))
        angle = np.degrees(float(entry.get("theta", 0)))
        return PolygonShape((turn(ellipse(x, y, rx, ry), float(angle)),))
    raise DataError(f"a shape of an unknown kind, '{kind}'")
