"""Quantizer: makes and scores INT8 forms of one float network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from roadseg.calibration import quantize
from roadseg.calibration.bias_correction import Means
from roadseg.calibration.frames import LabelledFrame
from roadseg.export.check_qdq import check_qdq
from roadseg.export.scores import Score, score
from roadseg.export.to_onnx import with_spec
from roadseg.runtime.errors import ModelError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec

ENGINE = "onnxruntime"


def check_convolutions(model: onnx.ModelProto) -> None:
    """Raise ModelError unless all convolutions have constant weights (M, C / group, kH, kW)."""
    sides = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv" and sides.get(node.input[1]) != 4:
            raise ModelError(
                f"the convolution of '{node.output[0]}' cannot be INT8: its weights are not "
                "constants of four sides; export without --int8"
            )


@dataclass(frozen=True)
class Quantizer:
    """Makes and scores INT8 forms of one float network.

    model, path: of the float network.
    spec: of the INT8 artefact, without what is known only at the end.
    ranges: of its tensors.
    frames: to score on.
    size: that frames are scored at.
    folder: where files are made.
    means: of the inputs of convolutions by channel, to correct biases with; None leaves them.
    """

    model: onnx.ModelProto
    path: Path
    spec: ModelSpec
    ranges: Mapping[str, float]
    frames: Sequence[LabelledFrame]
    size: Size
    folder: Path
    means: Means | None = None

    def write(self, name: str, float_layers: Sequence[str]) -> Path:
        """Write the form with these layers in float; raises CheckFailed if it is not canonical."""
        made = quantize(self.model, self.ranges, float_layers, self.means)
        check_qdq(made, float_layers)
        told = {**self.spec.quantization, "float_layers": list(float_layers)}
        path = self.folder / f"{name}.onnx"
        onnx.save(with_spec(made, self.spec.replace(quantization=told)), path)
        return path

    def score(self, path: Path) -> tuple[Score, Score]:
        """Score the float network and a form of it."""
        both = score({"float": self.path, "int8": path}, self.frames, self.size, ENGINE)
        return both["float"], both["int8"]
