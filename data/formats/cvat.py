"""CVAT: "CVAT for images 1.1" (one XML file), and "Segmentation mask 1.1" (a folder)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from roadseg.data.dataset import Dataset, Sample
from roadseg.data.formats.coco_shapes import PolygonShape, RunsShape
from roadseg.data.formats.cvat_masks import open_cvat_masks
from roadseg.data.formats.folders import image_path, make_dataset, path_name, refuse_split
from roadseg.data.formats.painted import (
    Annotation,
    PaintedShapes,
    Shape,
    ShapeOptions,
    label_classes,
)
from roadseg.runtime.errors import DataError
from roadseg.runtime.spec import Color

Element = ElementTree.Element
LINES = ("polyline", "points", "cuboid", "skeleton")  # no areas


def open_cvat(where: Path, split: str, options: ShapeOptions) -> Dataset:
    """Open an XML file, or a folder of masks with its labelmap.txt."""
    if where.is_dir():
        return open_cvat_masks(where, split)
    refuse_split(where, split)
    root = _read(where)
    colors = dict(_colors(root))
    images = {}
    for image in root.iter("image"):
        path = image_path(image.get("name", ""), f"{where}: image {image.get('id')}")
        if path_name(path)[0] in images:
            raise DataError(f"{where}: two images named '{path}'")
        images[path_name(path)[0]] = image
    samples = [_sample(image.get("name", ""), where) for image in images.values()]
    used = {s.attrib["label"] for i in images.values() for s in i if "label" in s.attrib}
    labels = [*colors, *sorted(used - {*colors})]
    classes, numbers, background = label_classes(labels, options, where, colors)
    reader = PaintedShapes(numbers, background, CvatImages(images))
    return make_dataset(
        where.resolve().parent.name, classes, samples, "", reader, notes=reader.notes
    )


class CvatImages:
    """Gives the shapes of a sample; they are made when they are asked for."""

    def __init__(self, images: dict[str, Element]) -> None:
        self.images = images

    def __call__(self, sample: Sample) -> Annotation:
        """Return the shapes of a sample; raises DataError that names the image at fault."""
        return _annotation(self.images[sample.name], sample.mask)


def _read(path: Path) -> Element:
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise DataError(f"{path}:{error.position[0]}: not XML ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    if root.tag != "annotations" or root.find("image") is None:
        raise DataError(f"{path}: not CVAT for images 1.1 (no <annotations> with an <image>)")
    return root


def _colors(root: Element) -> Iterator[tuple[str, Color]]:
    """Give the labels in the order of the project, with their colours, #rrggbb."""
    for place, label in enumerate(root.findall("meta//labels/label")):
        text = label.findtext("color", "")
        shade = int(text[1:], 16) if re.fullmatch("#[0-9a-fA-F]{6}", text) else place + 1
        yield label.findtext("name", ""), (shade >> 16, shade >> 8 & 255, shade & 255)


def _sample(path: str, file: Path) -> Sample:
    name, group = path_name(path)
    places = [folder / path for folder in (file.parent, file.parent / "images")]
    image = next((place for place in places if place.is_file()), places[-1])
    return Sample(name, image, file, group)


def _annotation(image: Element, file: Path | None) -> Annotation:
    """Return an image's shapes from the lowest z_order to the highest."""
    try:
        size = int(image.attrib["width"]), int(image.attrib["height"])
        lines = [f"a {e.tag} of '{e.get('label')}'" for e in image if e.tag in LINES]
        areas = [element for element in image if element.tag not in (*LINES, "tag")]
        areas.sort(key=lambda element: int(element.get("z_order", 0)))
        shapes = tuple((element.attrib["label"], _shape(element)) for element in areas)
    except KeyError as error:
        raise DataError(f"{file}: image '{image.get('name')}': {error} is missing") from None
    except (DataError, OverflowError, ValueError) as error:
        raise DataError(f"{file}: image '{image.get('name')}': {error}") from None
    return Annotation(shapes, size, tuple(f"{line} is no area: left out" for line in lines))


def _shape(element: Element) -> Shape:
    if element.tag == "polygon":
        pairs = [pair.split(",") for pair in element.attrib["points"].split(";")]
        return PolygonShape((np.array(pairs, np.float64),))
    if element.tag == "box":
        box = [float(element.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr")]
        return PolygonShape((turn(rectangle(*box), float(element.get("rotation", 0))),))
    if element.tag == "ellipse":
        x, y, rx, ry = (float(element.attrib[key]) for key in ("cx", "cy", "rx", "ry"))
        return PolygonShape((turn(ellipse(x, y, rx, ry), float(element.get("rotation", 0))),))
    if element.tag == "mask":
        counts = tuple(int(run) for run in element.attrib["rle"].split(","))
        left, top, width, height = (
            int(float(element.attrib[key])) for key in ("left", "top", "width", "height")
        )
        return RunsShape(counts, left, top, width, height, by_column=False)
    raise DataError(f"a shape of an unknown kind, '{element.tag}'")


def rectangle(left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
    """Return a rectangle's corners, (4, 2)."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def ellipse(x: float, y: float, rx: float, ry: float) -> NDArray[np.float64]:
    """Return an ellipse as a polygon of 128 corners."""
    angles = np.linspace(0, 2 * math.pi, 128, endpoint=False)
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)


def turn(points: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Return points turned clockwise (y points down) about the middle of their extent."""
    middle = (points.min(0) + points.max(0)) / 2
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return np.asarray((points - middle) @ np.array([[cosine, sine], [-sine, cosine]]) + middle)
