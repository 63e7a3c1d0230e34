"""close: holes in the drivable area are closed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from roadseg.runtime.postprocess.base import Stage, Work
from roadseg.runtime.postprocess.regions import pixels_named, small_regions
from roadseg.runtime.postprocess.scratch import Scratch


class HoleClosing(Stage):
    """Closes holes of fewer than `pixels` in areas of each drivable class.

    A hole is what one such class surrounds wholly; what touches the picture's edge is none. A
    person far away in the middle of the road is such a hole: keep `pixels` below what must not be
    driven over.

    drivable: class ids.
    """

    name = "close"

    def __init__(self, drivable: Sequence[int], pixels: float = 64) -> None:
        self._drivable = tuple(drivable)
        self.pixels = pixels_named(self.name, pixels)
        self._same = Scratch(np.bool_)

    def __call__(self, work: Work) -> None:
        """See Stage."""
        same = self._same.shaped(*work.mask.shape)
        for number in self._drivable:
            np.equal(work.mask, np.uint8(number), out=same)
            for box, inside in small_regions(same.view(np.uint8), self.pixels, holes=True):
                work.mask[box][inside > 0] = number
