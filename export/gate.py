"""The gate: INT8 that loses too much gets its most sensitive layers back in float."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from roadseg.export.quantizer import Quantizer
from roadseg.export.scores import Score
from roadseg.export.sensitivity import LayerLoss, measure_layers
from roadseg.runtime.errors import CheckFailed

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Loss:
    """What was lost, what may be, in what unit, and the option that allows more."""

    lost: float
    allowed: float
    unit: str
    option: str

    def __str__(self) -> str:
        return f"{self.lost:.2f} {self.unit}"

    @property
    def is_allowed(self) -> bool:
        """Whether no more was lost than may be."""
        return self.lost <= self.allowed


@dataclass(frozen=True)
class Limits:
    """How much INT8 may lose.

    max_drop: points of mIoU, where there are labels.
    max_disagreement: percent of pixels, where there are none.
    """

    max_drop: float
    max_disagreement: float

    def loss(self, whole: Score, small: Score) -> Loss:
        """Compare a float network's score with its INT8 form's."""
        if whole.miou is not None and small.miou is not None:
            return Loss(whole.miou - small.miou, self.max_drop, "points of mIoU", "--max-drop")
        lost = 100 - small.agreement
        return Loss(lost, self.max_disagreement, "percent of pixels", "--max-disagreement")


@dataclass
class Gate:
    """Finds the INT8 artefact that loses no more than allowed, with the fewest float layers.

    tell: gets what is decided.
    progress: gets how far it is.
    losses: by layer, worst first; measured when they are needed, or given.
    """

    limits: Limits
    quantizer: Quantizer
    tell: Tell
    progress: Tell
    losses: Sequence[LayerLoss] = ()

    def pass_through(self, name: str) -> Path:
        """Write the artefact; raises CheckFailed when half of the layers in float do not help.

        Layers go back to float most sensitive first: 1, 2, 4, … of them, then as few of the last
        step as still do.
        """
        path, loss = self._try(name, 0)
        if loss.is_allowed:
            return path
        self.tell(f"INT8 loses {loss}, {loss.allowed:g} are allowed: looking for the layers")
        self.losses = self.losses or measure_layers(self.quantizer, self.progress)
        count = 1
        while count <= len(self.losses) // 2:
            path, loss = self._try(name, count)
            if loss.is_allowed:
                return self._fewest(name, count // 2, count)
            count *= 2
        raise CheckFailed(
            f"INT8 loses {loss} with {count // 2} of {len(self.losses)} layers in float, "
            f"{loss.allowed:g} are allowed: calibrate with more or other frames (--data, "
            f"--calib-frames, --method), or allow more with {loss.option}"
        )

    def _fewest(self, name: str, too_few: int, enough: int) -> Path:
        """Halve the step between a count that does not do and one that does."""
        while enough - too_few > 1:
            middle = (too_few + enough) // 2
            if self._try(name, middle)[1].is_allowed:
                enough = middle
            else:
                too_few = middle
        return self._write(name, enough)

    def _try(self, name: str, count: int) -> tuple[Path, Loss]:
        path = self._write(name, count)
        loss = self.limits.loss(*self.quantizer.score(path))
        if count:
            self.tell(f"{count} layer{'s' if count > 1 else ''} in float: loses {loss}")
        return path, loss

    def _write(self, name: str, count: int) -> Path:
        return self.quantizer.write(name, [loss.layer for loss in self.losses[:count]])
