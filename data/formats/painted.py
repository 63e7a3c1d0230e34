"""Images with labelled shapes: masks are painted shape by shape.

Shapes are painted in the order of their file, so a later one covers an earlier one where they
overlap. Pixels in no shape are `background`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.data.dataset import LabelledImage, Pixels, Sample
from roadseg.data.image_pair import check_pair
from roadseg.runtime.errors import DataError, ModelError
from roadseg.runtime.images import read_image
from roadseg.runtime.spec import IGNORE, ClassInfo, Color

DRIVABLE = ("road", "drivable", "lane mark", "parking")
Bounds = tuple[float, float, float, float]
SLACK = 1.0  # pixels that a shape may reach over the edge before it is told
CUT_OFF = "reaches outside the image: cut off"


class Shape(Protocol):
    """An area of an image."""

    def raster(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return its pixels, (height, width) bool; what is outside is cut off."""

    def bounds(self) -> Bounds:
        """Return left, top, right and bottom in pixels."""


@dataclass(frozen=True)
class Annotation:
    """What a file says of an image.

    shapes: (label, shape) in the order of the file.
    size: (width, height) that the file gives the image; None when it gives none.
    no_areas: what is no area and what is done with it, such as "a point of 'lane': left out".
    """

    shapes: tuple[tuple[str, Shape], ...]
    size: tuple[int, int] | None = None
    no_areas: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShapeOptions:
    """What a reader of shapes takes after a question mark.

    background: class of pixels in no shape; void leaves them without a class.
    """

    background: str = "background"


class PaintedShapes:
    """Reads a sample's image, and paints its shapes as the mask.

    numbers: class id by label.
    background: id where there is no shape.
    annotation: gives a sample's shapes.
    image: gives its pixels, BGR; by default those of its file.
    """

    def __init__(
        self,
        numbers: dict[str, int],
        background: int,
        annotation: Callable[[Sample], Annotation],
        image: Callable[[Sample], Pixels] | None = None,
    ) -> None:
        self.numbers, self.background = numbers, background
        self.annotation, self.image = annotation, image

    def __call__(self, sample: Sample) -> LabelledImage:
        """Return the image (H, W, 3) RGB and the mask (H, W), IGNORE where void."""
        if sample.mask is None:
            raise DataError(f"{sample.image}: has no labels")
        annotation = self.annotation(sample)
        bgr = self.image(sample) if self.image else read_image(sample.image)
        width, height = annotation.size or bgr.shape[1::-1]
        check_pair(bgr, (width, height), sample)
        mask = np.full((height, width), self.background, np.uint8)
        for label, shape in annotation.shapes:
            if label not in self.numbers:
                raise DataError(f"{sample.mask}: {sample.name}: unknown label '{label}'")
            mask[shape.raster(width, height)] = self.numbers[label]
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), mask

    def notes(self, sample: Sample) -> list[str]:
        """Return a line for each shape that is cut off at the image's edge or is no area."""
        annotation = self.annotation(sample)
        size = annotation.size or read_image(sample.image).shape[1::-1]
        where = f"{sample.mask}: {sample.name}"
        told = [f"{where}: {what}" for what in annotation.no_areas]
        for number, (label, shape) in enumerate(annotation.shapes):
            if reaches_outside(shape.bounds(), size[0], size[1]):
                told.append(f"{where}: shape {number} ('{label}') {CUT_OFF}")
        return told


def reaches_outside(bounds: Bounds, width: int, height: int) -> bool:
    """Return whether a shape of these bounds is cut off at its image's edge."""
    left, top, right, bottom = bounds
    return min(left, top) < -SLACK or right > width + SLACK or bottom > height + SLACK


def label_classes(
    labels: Iterable[str],
    options: ShapeOptions,
    where: object,
    colors: dict[str, Color] | None = None,
    void: Sequence[str] = (),
) -> tuple[tuple[ClassInfo, ...], dict[str, int], int]:
    """Return classes by id, class id by label, and the id of the background.

    The background is class 0, unless it is one of the labels. Names are taken in lower case:
    "Road" and "road" are one class. Colours are those of PASCAL VOC where none are given. Raises
    DataError for a label that is no name of a class, and for two that would be one.
    """
    by_label = _class_names([label for label in labels if label not in void], where)
    names, background = dict.fromkeys(by_label.values()), class_name(options.background, where)
    if options.background != "void":
        names = names if background in names else {background: None, **names}
    if not 1 <= len(names) < IGNORE:
        raise DataError(f"{where}: {len(names)} classes; a mask of 8 bits takes 1 to {IGNORE - 1}")
    given = {by_label[label]: color for label, color in (colors or {}).items()}
    try:
        classes = tuple(
            ClassInfo(name, given.get(name, voc_color(number)), name in DRIVABLE)
            for number, name in enumerate(names)
        )
    except ModelError as error:
        raise DataError(f"{where}: {error}") from None
    ids = {info.name: number for number, info in enumerate(classes)}
    numbers = {label: ids[name] for label, name in by_label.items()} | dict.fromkeys(void, IGNORE)
    return classes, numbers, ids.get(background, IGNORE)


def _class_names(labels: Iterable[str], where: object) -> dict[str, str]:
    """Return the names of classes by label."""
    names: dict[str, str] = {}
    first: dict[str, str] = {}
    for label in labels:
        names[label] = class_name(label, where)
        other = first.setdefault(names[label], label)
        if label.strip().lower() != other.strip().lower():
            raise DataError(
                f"{where}: the labels '{other}' and '{label}' would both be the class "
                f"'{names[label]}': rename one"
            )
    return names


def class_name(label: str, where: object) -> str:
    """Return a label as a class's name: lower case, other signs as "-".

    Raises DataError for a letter that is none of a to z, and when nothing is left.
    """
    name = re.sub(r"[^a-z0-9_/ -]+", "-", label.strip().lower()).strip("_-/ ")
    if not name or any(sign.isalnum() and not sign.isascii() for sign in label):
        raise DataError(
            f"{where}: the label '{label}' is no name of a class: rename it in letters a to z and "
            "digits"
        )
    return name


def voc_color(number: int) -> Color:
    """Return PASCAL VOC's colour of a class id: its bits spread over red, green and blue."""
    bits = [number >> place & 1 for place in range(24)]
    red, green, blue = (
        sum(bits[3 * step + channel] << (7 - step) for step in range(8)) for channel in range(3)
    )
    return red, green, blue
