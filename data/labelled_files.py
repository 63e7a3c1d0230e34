"""Masks as files: their values or colours to class ids, checked against the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from roadseg.data.dataset import LabelledImage, Pixels, Sample
from roadseg.data.image_pair import check_pair
from roadseg.data.palette_png import read_palette
from roadseg.runtime.errors import DataError
from roadseg.runtime.images import read_image
from roadseg.runtime.spec import IGNORE, ClassInfo, Color


class LabelledFiles:
    """Reads a sample's image and mask files.

    classes: by id.
    void: values of masks that mean no class.
    ids: class ids by mask value where they differ from it.
    palette: what counts in PNG files with a palette: "ids", "colours", or "auto": colours when all
        of the palette's are the classes' (or black), ids otherwise.
    """

    def __init__(
        self,
        classes: Sequence[ClassInfo],
        void: Sequence[int] = (IGNORE,),
        ids: Mapping[int, int] | None = None,
        palette: str = "auto",
    ) -> None:
        self.classes, self.palette = tuple(classes), palette
        self.table = np.full(256, -1, np.int16)
        for value, number in (ids or {n: n for n in range(len(classes))}).items():
            self.table[value] = number
        self.table[list(void)] = IGNORE

    def __call__(self, sample: Sample) -> LabelledImage:
        """Return the image (H, W, 3) RGB and the mask (H, W), IGNORE where void."""
        image = np.asarray(cv2.cvtColor(read_image(sample.image), cv2.COLOR_BGR2RGB), np.uint8)
        if sample.mask is None:
            raise DataError(f"{sample.image}: has no mask")
        mask = self.read_mask(sample.mask)
        check_pair(image, (mask.shape[1], mask.shape[0]), sample)
        return image, mask

    def read_mask(self, path: Path) -> Pixels:
        """Read a mask of class values (one channel, or a palette) or of the classes' colours."""
        raw = self.by_palette(path)
        if raw is None:
            raw = read_image(path, cv2.IMREAD_UNCHANGED)
        if raw.dtype != np.uint8:
            raise DataError(
                f"{path}: {raw.dtype} values; a mask has 8 bits: seg-data check --fix writes "
                "them in 8 where they fit"
            )
        if raw.ndim == 3:
            return self.from_colors(raw[..., 2::-1], path)
        ids = self.table[raw]
        if ids.min() < 0:
            self._refuse(ids, path, f"value {raw[ids < 0][0]}")
        return ids.astype(np.uint8)

    def by_palette(self, path: Path) -> Pixels | None:
        """Return the ids of a PNG file with a palette; None when its colours count."""
        if self.palette == "colours" or path.suffix.lower() != ".png" or not path.is_file():
            return None
        found = read_palette(path.read_bytes())
        if found is None:
            return None
        colors = {tuple(color) for color in found[1].tolist()}
        own = {info.color for info in self.classes} | {(0, 0, 0)}
        return None if self.palette == "auto" and colors <= own else found[0]

    def from_colors(self, colors: Pixels, path: Path) -> Pixels:
        """Map RGB colours to ids; black that is no class's colour is void."""
        self._refuse_twins(path)
        packed = _pack(colors.astype(np.int32))
        known = np.append(_pack(np.array([info.color for info in self.classes])), 0)
        values = np.append(np.arange(len(self.classes)), IGNORE)
        known, first = np.unique(known, return_index=True)
        place = np.minimum(np.searchsorted(known, packed), len(known) - 1)
        ids = np.where(known[place] == packed, values[first][place], -1)
        if ids.min() < 0:
            y, x = np.argwhere(ids < 0)[0]
            red, green, blue = (int(c) for c in colors[y, x])
            hint = ": seg-data check --fix, if greys are class ids" if red == green == blue else ""
            self._refuse(ids, path, f"colour {(red, green, blue)}", hint)
        return ids.astype(np.uint8)

    def _refuse_twins(self, path: Path) -> None:
        """Raise DataError when two classes have one colour: a mask of colours cannot tell them."""
        seen: dict[Color, str] = {}
        for info in self.classes:
            if info.color in seen:
                raise DataError(
                    f"{path}: a mask of colours, but '{seen[info.color]}' and '{info.name}' are "
                    f"both {info.color}: give each class its own, or masks of class ids"
                )
            seen[info.color] = info.name

    def _refuse(self, ids: NDArray[np.integer], path: Path, what: str, hint: str = "") -> None:
        y, x = np.argwhere(ids < 0)[0]
        count = int((ids < 0).sum())
        raise DataError(
            f"{path}: {what} at ({x}, {y}) is no class ({count} pixels have none){hint}"
        )


def _pack(colors: NDArray[np.integer]) -> NDArray[np.integer]:
    """(…, 3) -> (…): one number for a colour."""
    return (colors[..., 0] << 16) | (colors[..., 1] << 8) | colors[..., 2]
