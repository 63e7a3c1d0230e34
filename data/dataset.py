"""Dataset and Sample: labelled images as every part of the project sees them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.errors import unknown
from roadseg.runtime.spec import ClassInfo

Pixels = NDArray[np.uint8]
LabelledImage = tuple[Pixels, Pixels]


@dataclass(frozen=True)
class Sample:
    """An image and where its mask is.

    name: unique in its data set, fit for a file name.
    image: file of the image; a name only where it is rendered.
    mask: file of the mask, None where there is none.
    group: the drive that it was taken on; "" where that is not known.
    condition: weather or light, such as "night"; "" where that is not known.
    """

    name: str
    image: Path
    mask: Path | None
    group: str
    condition: str = ""


@dataclass(frozen=True)
class Dataset:
    """Labelled images with one set of classes.

    name: such as "camvid".
    classes: by id.
    samples: sorted by name.
    licence: of the images, as their publisher states it.
    read: gives a sample's image and mask.
    strays: masks that belong to no image.
    notes: gives what is no fault but good to know of a sample, such as shapes that were cut off.
    """

    name: str
    classes: tuple[ClassInfo, ...]
    samples: tuple[Sample, ...]
    licence: str
    read: Callable[[Sample], LabelledImage]
    strays: tuple[Path, ...] = ()
    notes: Callable[[Sample], list[str]] | None = None

    def load(self, sample: Sample) -> LabelledImage:
        """Return the image (H, W, 3) uint8 RGB and the mask (H, W) uint8, 255 where void.

        Raises DataError when a file cannot be read, the sizes differ, or a mask has a value that
        is no class.
        """
        return self.read(sample)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups (drives) that occur, sorted."""
        return tuple(sorted({sample.group for sample in self.samples}))

    def select(self, groups: Collection[str]) -> Dataset:
        """Return the part that is of these groups; raises UsageError for an unknown one."""
        self._check(groups)
        return self._with(tuple(s for s in self.samples if s.group in groups))

    def exclude(self, groups: Collection[str]) -> Dataset:
        """Return the part that is not of these groups; raises UsageError for an unknown one."""
        self._check(groups)
        return self._with(tuple(s for s in self.samples if s.group not in groups))

    def _check(self, groups: Collection[str]) -> None:
        known = set(self.groups)
        for group in groups:
            if group not in known:
                raise unknown("group", group, known)

    def _with(self, samples: tuple[Sample, ...]) -> Dataset:
        return dataclasses.replace(self, samples=samples)
