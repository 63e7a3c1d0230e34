"""The gate: INT8 that loses too much gets its most sensitive layers back in float."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from roadseg.calibration import conv_names, quantize
from roadseg.calibration.frames import LabelledFrame
from roadseg.export.check_qdq import check_qdq
from roadseg.export.scores import Score, score
from roadseg.export.to_onnx import with_spec
from roadseg.runtime.errors import CheckFailed
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

PROBES = 4  # frames that the sensitivity of layers is measured on
ENGINE = "onnxruntime"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """How much INT8 may lose.

    max_drop: points of mIoU, where there are labels.
    max_disagreement: percent of pixels, where there are none.
    """

    max_drop: float
    max_disagreement: float

    def loss(self, whole: Score, small: Score) -> tuple[float, float, str]:
        """Return what was lost, what may be, and in what unit."""
        if whole.miou is not None and small.miou is not None:
            return whole.miou - small.miou, self.max_drop, "points of mIoU"
        return 100 - small.agreement, self.max_disagreement, "percent of pixels"


@dataclass(frozen=True)
class Quantizer:
    """Makes and scores INT8 forms of one float network.

    model, path: of the float network.
    spec: of the INT8 artefact, without what is known only at the end.
    ranges: of its tensors.
    frames: to score on.
    folder: where files are made.
    """

    model: onnx.ModelProto
    path: Path
    spec: ModelSpec
    ranges: Mapping[str, float]
    frames: Sequence[LabelledFrame]
    size: Size
    folder: Path

    def write(self, name: str, float_layers: Sequence[str]) -> Path:
        """Write the form with these layers in float; raises CheckFailed if it is not canonical."""
        made = quantize(self.model, self.ranges, float_layers)
        check_qdq(made, float_layers)
        told = {**self.spec.quantization, "float_layers": list(float_layers)}
        path = self.folder / f"{name}.onnx"
        onnx.save(with_spec(made, self.spec.replace(quantization=told)), path)
        return path

    def score(self, path: Path, frames: Sequence[LabelledFrame]) -> tuple[Score, Score]:
        """Score the float network and a form of it."""
        both = score({"float": self.path, "int8": path}, frames, self.size, ENGINE)
        return both["float"], both["int8"]

    def sensitivity(self, progress: Tell) -> list[tuple[str, float]]:
        """Return each layer and the signal-to-noise ratio (dB) with it alone in INT8, worst first.

        TensorRT's and AIMET's tools rank layers in the same way.
        """
        layers = conv_names(self.model)
        ratios = {}
        for number, layer in enumerate(layers, 1):
            others = [each for each in layers if each != layer]
            path = self.write(".probe", others)
            ratios[layer] = self.score(path, self.frames[:PROBES])[1].snr_db
            progress(f"sensitivity of layer {number}/{len(layers)}")
        return sorted(ratios.items(), key=lambda pair: pair[1])


def quantize_within(
    limits: Limits, quantizer: Quantizer, name: str, tell: Tell, progress: Tell
) -> Path:
    """Write the INT8 artefact that loses no more than allowed, with as few float layers as found.

    Layers go back to float most sensitive first, 1, 2, 4, … of them. Raises CheckFailed when half
    of the layers in float do not help. `tell` gets what is decided, `progress` how far it is.
    """
    path = quantizer.write(name, [])
    loss, allowed, unit = limits.loss(*quantizer.score(path, quantizer.frames))
    if loss <= allowed:
        return path
    tell(f"INT8 loses {loss:.2f} {unit}, {allowed:g} are allowed: looking for the layers")
    ranked = quantizer.sensitivity(progress)
    count = 1
    while count <= len(ranked) // 2:
        kept = [layer for layer, _ in ranked[:count]]
        path = quantizer.write(name, kept)
        loss, allowed, unit = limits.loss(*quantizer.score(path, quantizer.frames))
        tell(f"{count} layers in float: loses {loss:.2f} {unit}")
        if loss <= allowed:
            return path
        count *= 2
    raise CheckFailed(
        f"INT8 loses {loss:.2f} {unit} with {count // 2} of {len(ranked)} layers in float, "
        f"{allowed:g} are allowed: calibrate with more or other frames (--data, --calib-frames, "
        "--method), or allow more with --max-drop"
    )
