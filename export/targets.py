"""Targets: the files of other runtimes, made of an ONNX artefact and held to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from roadseg.calibration.frames import LabelledFrame
from roadseg.export.options import ExportOptions
from roadseg.export.quantizer import ENGINE
from roadseg.export.to_coreml import CoreMLTarget
from roadseg.export.to_ncnn import NcnnTarget
from roadseg.export.to_openvino import OpenVinoTarget
from roadseg.export.to_tensorrt import TensorRtTarget
from roadseg.export.to_torchscript import TorchScriptTarget
from roadseg.runtime.engines import open_engine
from roadseg.runtime.errors import CheckFailed
from roadseg.runtime.options import Size
from roadseg.runtime.segmenter import Segmenter
from roadseg.runtime.spec import ModelSpec

# Percent of pixels, of a target's masks and those of its ONNX artefact, by precision. Two correct
# INT8 engines round ties differently, and the difference grows from layer to layer.
LEAST_AGREEMENT = {"float32": 99.0, "float16": 99.0, "int8": 97.0}


class Target(Protocol):
    """Turns an ONNX artefact into another runtime's files.

    name: what --to calls it.
    suffix: of its main file; the ModelSpec is written beside it as .json.
    engine: that runs it here; "" for what runs elsewhere, and whose interface convert has checked.
    precisions: of the artefacts that it takes, such as "int8"; the last one made is converted.
    """

    name: str
    suffix: str
    engine: str

    @property
    def precisions(self) -> tuple[str, ...]:
        """See above."""

    def require(self) -> None:
        """Raise MissingExtra when a package that it needs is not installed."""

    def convert(self, artifact: Path, out: Path) -> str:
        """Write `out` and what belongs to it; return what was changed, for the table.

        Raises MissingExtra when the package is not installed, ModelError for what it cannot take.
        """


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *(OpenVinoTarget(), TensorRtTarget(), NcnnTarget()),
        *(TorchScriptTarget(), CoreMLTarget()),
    )
}


def configured(name: str, options: ExportOptions, spec: ModelSpec) -> Target:
    """Return a target with what it was told on the command line, before any work is done.

    Raises UsageError or ModelError for bad options, and what `require` does.
    """
    chosen = TensorRtTarget.of(options, spec) if name == TensorRtTarget.name else TARGETS[name]
    chosen.require()
    return chosen


def verify(
    artifact: Path, out: Path, target: Target, frames: Sequence[LabelledFrame], size: Size
) -> float:
    """Return the percent of pixels in which a target agrees with its ONNX artefact.

    Raises CheckFailed when that is too little.
    """
    both = [
        Segmenter(open_engine(path, engine, size))
        for path, engine in ((artifact, ENGINE), (out, target.engine))
    ]
    same = total = 0
    for each in frames:
        first, second = (segmenter(each.frame).mask for segmenter in both)
        same += int((first == second).sum())
        total += first.size
    agreement = 100 * same / total
    least = LEAST_AGREEMENT[both[0].engine.spec.precision]
    if agreement < least:
        raise CheckFailed(
            f"{target.name}: {agreement:.2f} % of pixels agree with {artifact.name}, "
            f"{least:g} are needed"
        )
    return agreement
