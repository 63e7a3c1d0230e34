"""labelme: a JSON file beside each image, with its shapes and, often, the image itself."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from roadseg.data.dataset import Dataset, Pixels, Sample
from roadseg.data.formats.coco_shapes import RunsShape
from roadseg.data.formats.folders import make_dataset, path_name, refuse_split
from roadseg.data.formats.json_files import read_json, reason
from roadseg.data.formats.painted import (
    Annotation,
    PaintedShapes,
    Shape,
    ShapeOptions,
    label_classes,
)
from roadseg.data.formats.pillow_shapes import LINE_WIDTH, POINT_RADIUS, DrawnShape, check_points
from roadseg.runtime.errors import DataError
from roadseg.runtime.images import decode_image, read_image

IGNORED = "__ignore__"  # labelme's label for pixels without a class
LINE, POINT = f"drawn {LINE_WIDTH} pixels wide", f"drawn as a disc of radius {POINT_RADIUS}"
NO_AREAS = {"line": LINE, "linestrip": LINE, "point": POINT}


def open_labelme(folder: Path, split: str, options: ShapeOptions) -> Dataset:
    """Open a folder of labelme's JSON files; classes are in the order of the alphabet.

    Sub-folders are groups. Later shapes cover earlier ones, as in labelme's shapes_to_label.
    """
    refuse_split(folder, split)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    files = [path for path in sorted(folder.rglob("*.json")) if not path.name.startswith(".")]
    samples, labels = [], set()
    for path in files:
        raw = read_json(path)
        try:
            labels |= {str(shape["label"]) for shape in raw["shapes"]}
            image = path.parent / str(raw["imagePath"]).replace("\\", "/")
        except (KeyError, TypeError) as error:
            raise DataError(f"{path}: not a file of labelme ({reason(error)})") from None
        name, group = path_name(path.relative_to(folder))
        samples.append(Sample(name, image, path, group))
    if not files:
        raise DataError(f"{folder}: there are no JSON files in it")
    named = sorted(label for label in labels if label != "_background_")
    classes, numbers, background = label_classes(named, options, folder, void=(IGNORED,))
    numbers["_background_"] = background
    reader = PaintedShapes(numbers, background, read_annotation, read_pixels)
    return make_dataset(folder.resolve().name, classes, samples, "", reader, notes=reader.notes)


def read_annotation(sample: Sample) -> Annotation:
    """Return a sample's shapes; raises DataError that names the shape at fault."""
    assert sample.mask is not None  # the JSON file
    raw = read_json(sample.mask)
    shapes, no_areas = [], []
    for number, entry in enumerate(raw["shapes"]):
        try:
            shapes.append((str(entry["label"]), _shape(entry)))
        except (DataError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise DataError(f"{sample.mask}: shape {number}: {reason(error)}") from None
        if entry.get("shape_type") in NO_AREAS:
            kind = entry["shape_type"]
            no_areas.append(f"a {kind} of '{entry['label']}' is no area: {NO_AREAS[kind]}")
    width, height = raw.get("imageWidth"), raw.get("imageHeight")
    try:
        size = (int(width), int(height)) if width and height else None
    except (OverflowError, TypeError, ValueError):
        raise DataError(f"{sample.mask}: imageWidth and imageHeight are no numbers") from None
    return Annotation(tuple(shapes), size, tuple(no_areas))


def read_pixels(sample: Sample) -> Pixels:
    """Return a sample's image, BGR: its file, or what the JSON file holds where there is none."""
    assert sample.mask is not None
    raw = {} if sample.image.is_file() else read_json(sample.mask)
    if not raw.get("imageData"):
        return read_image(sample.image)
    try:
        content = base64.b64decode(raw["imageData"])
    except (binascii.Error, TypeError, ValueError):
        raise DataError(f"{sample.mask}: imageData is not an image in base64") from None
    return decode_image(content, f"{sample.mask} (imageData)")


def _shape(entry: dict[str, Any]) -> Shape:
    kind = entry.get("shape_type") or "polygon"
    points = np.array(entry["points"], np.float64).reshape(-1, 2)
    if kind != "mask":
        return DrawnShape(kind, points)
    if not len(points):
        raise DataError("a mask of 0 points")
    check_points(kind, points)
    pixels = decode_image(base64.b64decode(entry["mask"]), "mask", cv2.IMREAD_UNCHANGED)
    left, top = points[0].astype(int).tolist()
    return _runs(pixels > 0, left, top)


def _runs(inside: np.ndarray[Any, np.dtype[np.bool_]], left: int, top: int) -> RunsShape:
    """Return the run lengths, row by row, of a box of pixels."""
    flat = np.concatenate([[False], inside.ravel()])
    changes = np.flatnonzero(np.diff(flat.astype(np.int8)))
    counts = np.diff(np.concatenate([[0], changes, [inside.size]]))
    height, width = inside.shape
    return RunsShape(tuple(counts.tolist()), left, top, width, height, by_column=False)
