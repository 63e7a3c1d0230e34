"""Stage: one step after the network, on a frame's logits or its mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.findings import Findings
from roadseg.runtime.frame import Frame


@dataclass
class Work:
    """A frame between the network and the sinks; stages change it in place.

    logits: (classes, h, w) float32. The engine's own buffer: a stage that changes logits puts an
        array of its own here.
    mask: (H, W) uint8 of class ids, 255 where there is none; filled by decode.
    confidence: (H, W) uint8, 255 times the softmax of the winning class, where a stage needs it.
    """

    frame: Frame
    logits: NDArray[np.float32]
    mask: NDArray[np.uint8]
    confidence: NDArray[np.uint8] | None = None
    findings: Findings = field(default_factory=Findings)


class Stage(Protocol):
    """Takes the frames of one stream in order, from one thread; may keep what it saw.

    name: that its time is told under.
    before_decode: whether it changes logits, or else the mask.
    needs_confidence: whether decode has to fill Work.confidence, which takes several times as long.
    note: what its user has to know, told once; "" for nothing.
    """

    name: str
    before_decode: bool = False
    needs_confidence: bool = False
    note: str = ""

    def __call__(self, work: Work) -> None:
        """Do the step; of an image's size nothing is allocated once the size is known."""
