"""unknown: pixels that the network is not sure of have no class."""

from __future__ import annotations

import numpy as np

from roadseg.runtime.errors import UsageError
from roadseg.runtime.postprocess.base import Stage, Work
from roadseg.runtime.postprocess.scratch import Scratch
from roadseg.runtime.spec import IGNORE


class ConfidenceThreshold(Stage):
    """Gives id 255 to pixels whose softmax is below `least`.

    The softmax of a network says how sure it is, not how often it is right (Guo et al., On
    Calibration of Modern Neural Networks, 2017): choose the threshold on labelled frames.
    """

    name = "unknown"
    needs_confidence = True

    def __init__(self, least: float = 0.5) -> None:
        if not 0 <= least <= 1:
            raise UsageError(f"unknown:{least:g}: the least confidence is 0 to 1")
        self._least = round(255 * least)
        self._unsure = Scratch(np.bool_)

    def __call__(self, work: Work) -> None:
        """See Stage."""
        assert work.confidence is not None
        unsure = self._unsure.shaped(*work.mask.shape)
        np.less(work.confidence, np.uint8(self._least), out=unsure)
        np.copyto(work.mask, np.uint8(IGNORE), where=unsure)
