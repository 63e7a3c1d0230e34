"""What each command of seg-data takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from roadseg.data.splits import RATIOS
from roadseg.runtime.errors import UsageError, unknown


@dataclass(frozen=True)
class CheckOptions:
    """Read all of a data set and name each fault; exit code 1 when there is one.

    data: FORMAT:PATH such as camvid:FOLDER, a folder in the plain layout, or synthetic:.
    split: train, val, test or all.
    fix: first repair the masks that can be, in place; for a folder in the plain layout.
    """

    data: str
    split: str = "all"
    fix: bool = False


@dataclass(frozen=True)
class ShowOptions:
    """Write a sheet of images beside their labels.

    data: FORMAT:PATH such as camvid:FOLDER, a folder in the plain layout, or synthetic:.
    out: PNG to write.
    n: images to show.
    split: train, val, test or all.
    """

    data: str
    out: Path = Path("sheet.png")
    n: int = 12
    split: str = "all"

    def __post_init__(self) -> None:
        """Check values."""
        if self.n < 1:
            raise UsageError(f"n is {self.n}: it must be at least 1")


@dataclass(frozen=True)
class SplitOptions:
    """Split a folder in the plain layout by drive, so that each part has its share of each class.

    Drives that share near-duplicates stay together. Writes splits/train.txt, val.txt, test.txt.

    data: folder with a dataset.toml.
    ratios: shares of train, val and test.
    by: group keeps a drive in one split; image does not.
    seed: of the order of drives of one size.
    """

    data: str
    ratios: tuple[float, ...] = RATIOS
    by: str = "group"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check values."""
        fit = all(0 <= ratio < math.inf for ratio in self.ratios)
        if len(self.ratios) != 3 or not fit or self.ratios[0] <= 0:
            raise UsageError(f"ratios are three shares such as 7,1.5,1.5, not {self.ratios}")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}: it must not be negative")
        if self.by not in ("group", "image"):
            raise unknown("way to split", self.by, ("group", "image"))


@dataclass(frozen=True)
class ConvertOptions:
    """Write a data set in the plain layout: images/, masks/, dataset.toml.

    data: FORMAT:PATH such as camvid:FOLDER, a folder in the plain layout, or synthetic:.
    out: folder to write, new or empty.
    split: train, val, test or all.
    map: label map to other classes: the name of one in the package, such as camvid_to_road, or a
        TOML file.
    """

    data: str
    out: Path
    split: str = "all"
    map: str = ""


@dataclass(frozen=True)
class StatsOptions:
    """Tell class shares, sizes, drives and near-duplicates, split by split.

    data: FORMAT:PATH such as camvid:FOLDER, a folder in the plain layout, or synthetic:.
    out: HTML page to write with the shares as a picture.
    """

    data: str
    out: Path | None = None
