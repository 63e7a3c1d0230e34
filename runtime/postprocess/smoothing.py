"""smooth: logits averaged over time, against masks that flicker."""

from __future__ import annotations

import cv2
import numpy as np

from roadseg.runtime.errors import UsageError
from roadseg.runtime.postprocess.base import Stage, Work
from roadseg.runtime.postprocess.scratch import Scratch


class Smoothing(Stage):
    """Decodes an exponential moving average of the logits instead of the newest ones.

    Averaged logits are the geometric mean of the frames' probabilities, so mask and confidence
    both follow from them. It works at the logits' low resolution.

    The price is lag: what is shown is on average (1 - weight) / weight frames older, a frame at
    0.5 and four at 0.2. Nothing is moved along with the camera, so fast thin things smear.

    weight: of the newest frame, above 0 to 1. Lost frames count: after a gap of n the newest
        weighs 1 - (1 - weight) ** n. Nothing from before an outage counts: the camera may look at
        something else.
    """

    name = "smooth"
    before_decode = True

    def __init__(self, weight: float = 0.5) -> None:
        if not 0 < weight <= 1:
            raise UsageError(f"smooth:{weight:g}: the newest frame's weight is above 0 and up to 1")
        self.weight = weight
        self.note = (
            f"smooth: what is shown is {self.lag_frames:.1f} frames older on average, "
            "which the age does not count"
        )
        self._average = Scratch(np.float32)
        self._last: tuple[int, tuple[int, ...]] | None = None  # sequence, connection and sizes

    @property
    def lag_frames(self) -> float:
        """How much older what is shown is, in frames, on average."""
        return (1 - self.weight) / self.weight

    def __call__(self, work: Work) -> None:
        """See Stage; another size, an outage and a source that begins anew start a new average."""
        average = self._average.shaped(*work.logits.shape)
        passed = self._passed(work)
        if passed < 1:
            np.copyto(average, work.logits)
        else:
            weight = 1 - (1 - self.weight) ** passed
            flat = work.logits.reshape(len(average), -1), average.reshape(len(average), -1)
            cv2.addWeighted(flat[0], weight, flat[1], 1 - weight, 0, flat[1])
        work.logits = average

    def _passed(self, work: Work) -> int:
        """Return how many frames came since the one before; 0 where that says nothing of this."""
        sequence = work.frame.sequence
        kind = (work.frame.connection, *work.mask.shape, *work.logits.shape)
        last, self._last = self._last, (sequence, kind)
        return 0 if last is None or last[1] != kind else max(sequence - last[0], 0)
