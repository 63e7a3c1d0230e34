"""What a plan can be built for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from roadseg.runtime.errors import UsageError, unknown
from roadseg.runtime.options import Size

HARDWARE = {
    "this-gpu": "NONE",
    "ampere+": "AMPERE_PLUS",
    "same-capability": "SAME_COMPUTE_CAPABILITY",
}
NO_DLA = -1


@dataclass(frozen=True)
class PlanOptions:
    """What a plan is built for; precision is not an option, it is what the ONNX file says.

    least, best, most: input sizes that the plan takes, and the one it is tuned for.
    workspace_mb: most memory that a layer may take while it runs, in MB; 0 sets no limit.
    dla_core: number of the DLA that runs what it can, the GPU the rest; -1 for the GPU alone.
    version_compatible: later TensorRT versions of the same major number can load it too.
    hardware: GPUs that can load it: this-gpu, ampere+ or same-capability.
    tf32: let float32 convolutions round their inputs to TF32.
    """

    least: Size
    best: Size
    most: Size
    workspace_mb: int = 0
    dla_core: int = NO_DLA
    version_compatible: bool = False
    hardware: str = "this-gpu"
    tf32: bool = False

    def __post_init__(self) -> None:
        """Check values."""
        for side in ("width", "height"):
            sizes = [getattr(size, side) for size in (self.least, self.best, self.most)]
            if sizes != sorted(sizes):
                raise UsageError(
                    f"plan sizes {self.sizes}: each {side} must be at least that before it"
                )
        if self.workspace_mb < 0:
            raise UsageError(f"workspace_mb is {self.workspace_mb}: it must be 0 or more")
        if self.dla_core < NO_DLA:
            raise UsageError(f"dla_core is {self.dla_core}: it must be 0 or more, or -1 for none")
        if self.dla_core != NO_DLA and self.least != self.most:
            raise UsageError(f"plan sizes {self.sizes}: a DLA runs one size only")
        if self.hardware not in HARDWARE:
            raise unknown("hardware", self.hardware, HARDWARE)

    @classmethod
    def of_size(cls, size: Size, **others: Any) -> PlanOptions:
        """Return options for one size."""
        return cls(size, size, size, **others)

    @property
    def sizes(self) -> str:
        """The sizes as text: one, or three with commas."""
        every = dict.fromkeys((str(self.least), str(self.best), str(self.most)))
        return next(iter(every)) if len(every) == 1 else f"{self.least},{self.best},{self.most}"

    def takes(self, size: Size) -> bool:
        """Whether an input of a size is within the profile."""
        return (
            self.least.width <= size.width <= self.most.width
            and self.least.height <= size.height <= self.most.height
        )

    def differences(self, other: PlanOptions) -> list[str]:
        """Return which options differ: what the others are, what these are."""
        names = [entry.name for entry in dataclasses.fields(self)][3:]
        pairs = {name: (getattr(other, name), getattr(self, name)) for name in ("sizes", *names)}
        return [f"{name} {its} → {mine}" for name, (its, mine) in pairs.items() if its != mine]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = dataclasses.asdict(self)
        return {name: str(getattr(self, name)) for name in ("least", "best", "most")} | {
            name: value for name, value in values.items() if not isinstance(value, dict)
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PlanOptions:
        """Return what to_dict gave; raises ValueError or TypeError for anything else."""
        sizes = {name: Size(*_sides(values[name])) for name in ("least", "best", "most")}
        return cls(**{**values, **sizes})


def _sides(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)
