"""Result: what the pipeline gives to sinks for each frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from roadseg.runtime.findings import Findings
from roadseg.runtime.frame import Frame


@dataclass(frozen=True)
class Result:
    """A frame and its mask; both belong to the pipeline again once the sinks return.

    mask: (H, W) uint8 class ids, of the frame's size.
    stages_ns: nanoseconds by stage.
    age_ns: from the frame's capture to its mask.
    findings: of post-processing.
    """

    frame: Frame
    mask: NDArray[np.uint8]
    stages_ns: dict[str, int]
    age_ns: int
    findings: Findings = field(default_factory=Findings)
