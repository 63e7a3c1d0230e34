"""The plots of a run: learning curves and the confusion matrix, in one style."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.files import atomic_path

INK, SOFT, RULE = "#17202b", "#5c6875", "#e2e6eb"
BLUE, ORANGE, GREEN = "#2f74d0", "#e07b1a", "#149a85"
BLUES = LinearSegmentedColormap.from_list("blues", ["#f1f4f8", "#9dbfee", BLUE, "#163d78"])
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": SOFT,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "savefig.dpi": 150,
    "savefig.facecolor": "white",
}
MANY_CLASSES = 14  # beyond, percents do not fit the cells


@contextmanager
def drawn(path: Path, width: float, height: float, pad: float = 0.12) -> Iterator[Figure]:
    """Give a figure in the style, its sizes in inches; write it atomically as PNG."""
    with matplotlib.rc_context(STYLE):
        figure = Figure((width, height), layout=ConstrainedLayoutEngine(w_pad=pad, h_pad=pad))
        yield figure
        with atomic_path(path) as part:
            figure.savefig(part)


def draw_curves(history: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw loss, mIoU where there is one, and learning rate over epochs, of each a row."""
    epochs = [row["epoch"] for row in history]
    scored = [row for row in history if "miou" in row]
    count = 3 if scored else 2
    with drawn(path, 3.5 * count, 3.0) as figure:
        loss, *middle, rate = figure.subplots(1, count)
        _curve(loss, "Training loss", epochs, [row["loss"] for row in history], BLUE)
        for miou in middle:
            _curve(
                miou,
                "Validation mIoU (%)",
                [row["epoch"] for row in scored],
                [100 * row["miou"] for row in scored],
                GREEN,
            )
            _mark_best(miou, scored)
        thousandths = [1000 * row["lr"] for row in history]
        _curve(rate, "Learning rate (thousandths)", epochs, thousandths, ORANGE)
        rate.set_ylim(0, None)
        for axes in (loss, *middle, rate):
            axes.set_xlim(1, max(2, *epochs))


def _curve(axes: Axes, title: str, x: Sequence[int], y: Sequence[float], color: str) -> None:
    """Draw one curve; with few points these are shown."""
    few = len(x) < 30
    axes.plot(x, y, color=color, marker="o" if few else "", markersize=3.5, clip_on=False)
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)


def _mark_best(axes: Axes, scored: Sequence[dict[str, Any]]) -> None:
    """Write the best score beside its point."""
    best = max(scored, key=lambda row: row["miou"])
    place = best["epoch"], 100 * best["miou"]
    axes.plot(*place, "o", color=GREEN, markeredgecolor="white", markersize=8, clip_on=False)
    axes.annotate(
        f"{place[1]:.1f}",
        place,
        (-7, 7),
        textcoords="offset points",
        ha="right",
        color=GREEN,
        weight="bold",
    )
    axes.margins(y=0.18)


def draw_confusion(matrix: ConfusionMatrix, names: Sequence[str], path: Path) -> None:
    """Draw what became of each true class, in percent of its pixels."""
    counts = matrix.counts.astype(np.float64)
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 2.4 + 0.48 * len(names)
    with drawn(path, side + 0.4, side) as figure:
        axes = figure.subplots()
        axes.imshow(shares, cmap=BLUES, vmin=0, vmax=100)
        places = range(len(names))
        axes.set_xticks(places, names, rotation=40, ha="right", rotation_mode="anchor", color=INK)
        axes.set_yticks(places, names, color=INK)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.set_title(f"Confusion in % of each true class, mIoU {100 * matrix.miou:.1f} %")
        axes.spines[:].set_visible(False)
        edges = np.arange(len(names) + 1) - 0.5
        axes.set_xticks(edges, minor=True)
        axes.set_yticks(edges, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="minor", length=0)
        if len(names) <= MANY_CLASSES:
            _write_percents(axes, shares, counts.sum(1) > 0)


def _write_percents(axes: Axes, shares: Any, occurs: Any) -> None:
    """Write each cell's percent; nothing below a half, a dash for a class that does not occur."""
    for row, column in np.ndindex(*shares.shape):
        share = shares[row, column]
        text = f"{share:.0f}" if occurs[row] else "-"
        if occurs[row] and share < 0.5:
            continue
        color = "white" if share > 45 else INK if share > 10 else SOFT
        weight = "bold" if row == column else "normal"
        place: Any = {"ha": "center", "va": "center_baseline"}
        axes.text(column, row, text, color=color, weight=weight, **place)
