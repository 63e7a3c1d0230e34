"""A sheet of what happens to training images: a row for each change, from mild to strong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.options import Size
from roadseg.runtime.spec import IGNORE, ClassInfo
from roadseg.train.augmentation import WEATHER, Augmentation, cut_mix
from roadseg.train.inputs import build_augmentation, open_training
from roadseg.train.labels import LabelledImages
from roadseg.train.options import TrainOptions
from roadseg.train.plots import SOFT, drawn
from roadseg.train.sheet import class_palette, write_legend

Pixels = NDArray[np.uint8]
Pair = tuple[Pixels, Pixels]
Row = tuple[str, list[tuple[str, Pair]]]  # a change's name; caption, image and mask of each picture
Setting = tuple[str, Augmentation]

SHEET = "augmentation.png"  # in a run's folder
COLUMNS = 5
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
WIDTH = 2.0  # of a picture, in inches
NAME = 0.9  # of the rows' names, in inches
PIXELS = 320  # of a picture's width
COVER = 0.5  # of the labels over a picture's right half
ANGLES = (5.0, 10.0, 15.0, 20.0)  # of rotation
SEED = 353  # of draws that show: this one turns and tints much


def show_augmentation(options: TrainOptions) -> Path:
    """Write the sheet of a run's training images into its folder; return it."""
    images = open_training(options)[0][0]
    height, width = images[0][1].shape
    size = options.size or Size(width, height)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / SHEET
    write_augmentation_sheet(build_augmentation(options), images, (size.width, size.height), path)
    return path


def write_augmentation_sheet(
    augmentation: Augmentation,
    images: LabelledImages,
    size: tuple[int, int],
    path: Path,
) -> None:
    """Write the sheet as a PNG: each change alone, and at the end all of a run's together.

    size: (width, height) that scale 1 stands for. Labels cover the right half of each picture.
    Raises DataError when an image cannot be read.
    """
    plain = Augmentation(augmentation.width, augmentation.height, (1.0, 1.0), flip=0.0)
    plain = replace(plain, color_jitter=0.0, chance=1.0, least=1.0)
    rows: list[Row] = []
    for name, settings in _changes(plain):
        image, mask = images[len(rows) * len(images) // 16]
        pictures = [
            (caption, setting.apply(image, mask, size, np.random.default_rng(SEED)))
            for caption, setting in [("as it is", plain), *settings]
        ]
        rows.append((name, pictures))
    rows.append(("cutmix", _batch(replace(plain, cutmix=1.0), images, size)))
    rows.append(("this run", _batch(augmentation, images, size)))
    _draw(rows, images.classes.classes, path)


def _changes(plain: Augmentation) -> Iterator[tuple[str, list[Setting]]]:
    """Give each change's name and its settings, from mild to strong."""
    yield "scale", [(f"x {s:g}", replace(plain, scale=(s, s))) for s in (0.6, 0.8, 1.4, 2.0)]
    yield "aspect", [(f"up to {a:g}", replace(plain, aspect=a)) for a in (1.2, 1.4, 1.6, 2.0)]
    yield "flip", [("mirrored", replace(plain, flip=1.0))]
    yield (
        "rotation",
        [(f"up to {a:g}°", replace(plain, rotation=a)) for a in ANGLES],
    )
    yield "elastic", [(f"{s:g}", replace(plain, elastic=s)) for s in STRENGTHS]
    yield "color", [(f"{s:g}", replace(plain, color_jitter=s)) for s in (0.5, 1.0, 1.5, 2.0)]
    for kind in WEATHER:
        one = replace(plain, weathers=(kind,))
        yield kind, [(f"weather {s:g}", replace(one, weather=s)) for s in STRENGTHS]
    yield "blur", [(f"{s:g}", replace(plain, blur=s)) for s in STRENGTHS]
    yield "noise", [(f"{s:g}", replace(plain, noise=s)) for s in STRENGTHS]
    yield "jpeg", [(f"{s:g}", replace(plain, jpeg=s)) for s in STRENGTHS]


def _batch(
    augmentation: Augmentation, images: LabelledImages, size: tuple[int, int]
) -> list[tuple[str, Pair]]:
    """Return images from all over the data set, changed and mixed as those of a batch are."""
    random = [np.random.default_rng((SEED, place)) for place in range(COLUMNS)]
    places = np.linspace(0, len(images) - 1, COLUMNS).astype(int)
    pairs = [
        augmentation.apply(*images[place], size, each)
        for place, each in zip(places, random, strict=True)
    ]
    mixed = [
        cut_mix(pair, pairs[(place + 1) % COLUMNS], each)
        if each.random() < augmentation.cutmix
        else pair
        for place, (pair, each) in enumerate(zip(pairs, random, strict=True))
    ]
    return [("", pair) for pair in mixed]


def _draw(rows: Sequence[Row], classes: Sequence[ClassInfo], path: Path) -> None:
    height, width = rows[0][1][0][1][1].shape
    tall = WIDTH * height / width
    with drawn(path, COLUMNS * WIDTH + NAME, len(rows) * (tall + 0.24) + 0.6, pad=0.02) as figure:
        grid = figure.subplots(len(rows), COLUMNS, squeeze=False)
        palette = class_palette(classes)
        for cells, (name, pictures) in zip(grid, rows, strict=True):
            for axes in cells:
                axes.set_axis_off()
            for axes, (caption, pair) in zip(cells, pictures, strict=False):
                axes.imshow(_covered(*pair, palette))
                axes.set_title(caption, fontsize=7.5, fontweight="normal", color=SOFT, pad=2)
            place = cells[0].transAxes
            cells[0].text(
                -0.06, 0.5, name, size=10, weight="bold", ha="right", va="center", transform=place
            )
        write_legend(figure, classes)


def _covered(image: Pixels, mask: Pixels, palette: Pixels) -> Pixels:
    """Return a small picture whose right half is covered by its labels; void stays as it is."""
    size = PIXELS, max(1, round(PIXELS * image.shape[0] / image.shape[1]))
    picture = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
    labels = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    share = np.where(labels == IGNORE, 0.0, COVER).astype(np.float32)
    share[:, : PIXELS // 2] = 0
    picture += share[..., None] * (palette[labels] - picture)
    picture[:, PIXELS // 2] = 255
    return np.asarray(picture.round(), np.uint8)
