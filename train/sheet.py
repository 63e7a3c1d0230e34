"""A sheet of validation images: image, labels and prediction, from the best to the worst."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.spec import IGNORE, ClassInfo
from roadseg.train.plots import INK, RULE, drawn

Pixels = NDArray[np.uint8]

ROWS = 4
WIDTH = 2.8  # of a picture, in inches
PIXELS = 420  # of a picture's width
LEGEND_COLUMNS = 6
VOID = (235, 237, 240)


def choose_rows(matrices: Sequence[ConfusionMatrix]) -> list[int]:
    """Return indices of images spread from the highest mIoU to the lowest."""
    scores = np.array([matrix.miou for matrix in matrices])
    order = [int(i) for i in np.argsort(-scores, kind="stable") if np.isfinite(scores[i])]
    places = np.linspace(0, len(order) - 1, min(ROWS, len(order)))
    return [order[round(place)] for place in places]


def draw_sheet(
    rows: Sequence[tuple[str, Pixels, Pixels, Pixels]], classes: Sequence[ClassInfo], path: Path
) -> None:
    """Draw rows of (caption, image (H, W, 3), labels (H, W), prediction (H, W)) and a legend."""
    heights = [WIDTH * image.shape[0] / image.shape[1] for _, image, _, _ in rows]
    lines = -(-(len(classes) + 1) // LEGEND_COLUMNS)
    height = sum(heights) + 0.12 * len(rows) + 0.5 + 0.22 * lines
    with drawn(path, 3 * WIDTH + 0.4, height, pad=0.03) as figure:
        grid = figure.subplots(len(rows), 3, squeeze=False, height_ratios=heights)
        palette = class_palette(classes)
        for cells, (caption, image, labels, prediction) in zip(grid, rows, strict=True):
            masks = [palette[_fit(mask, cv2.INTER_NEAREST)] for mask in (labels, prediction)]
            for axes, picture in zip(cells, [_fit(image, cv2.INTER_AREA), *masks], strict=True):
                axes.imshow(picture)
                axes.set_axis_off()
            box = {"facecolor": INK, "edgecolor": "none", "alpha": 0.75, "pad": 2.5}
            place = cells[0].transAxes
            cells[0].text(0.03, 0.04, caption, color="white", size=8, bbox=box, transform=place)
        for axes, title in zip(grid[0], ("Image", "Labels", "Prediction"), strict=True):
            axes.set_title(title)
        write_legend(figure, classes)


def class_palette(classes: Sequence[ClassInfo]) -> Pixels:
    """Return the colours by mask value: (256, 3); void is a light gray."""
    palette = np.full((256, 3), VOID, np.uint8)
    palette[: len(classes)] = [info.color for info in classes]
    palette[IGNORE] = VOID
    return palette


def _fit(picture: Pixels, interpolation: int) -> Pixels:
    """Bring a picture to the sheet's width."""
    height, width = picture.shape[:2]
    size = PIXELS, max(1, round(PIXELS * height / width))
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8)


def write_legend(figure: Figure, classes: Sequence[ClassInfo]) -> None:
    """Write the classes' colours and names below a figure."""
    entries = [(info.name, info.color) for info in classes] + [("void", VOID)]
    handles = [
        Patch(facecolor="#" + bytes(color).hex(), edgecolor=RULE, label=name)
        for name, color in entries
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(LEGEND_COLUMNS, len(handles)),
        frameon=False,
        handlelength=1.2,
        handleheight=1.2,
        columnspacing=1.4,
    )
