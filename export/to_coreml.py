"""Core ML: an ML program for Apple's devices. It is made and its interface checked here; it only
runs on Apple hardware, which this project has not been run on.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadseg.export.torch_network import require_torch, torch_network
from roadseg.runtime.artifact import read_artifact, spec_beside
from roadseg.runtime.errors import CheckFailed, MissingExtra, ModelError
from roadseg.runtime.spec import METADATA_KEY, ModelSpec

if TYPE_CHECKING:
    import onnx
    import torch

INPUT, OUTPUT = "image", "logits"


class CoreMLTarget:
    """See Target. The input is an RGB image of the artefact's size, the output float32 logits.

    Weights and arithmetic are float32; Core ML itself chooses between processor, GPU and neural
    engine.
    """

    name, suffix, engine = "coreml", ".mlpackage", ""
    precisions: tuple[str, ...] = ("float32",)

    def require(self) -> None:
        """See Target."""
        if importlib.util.find_spec("coremltools") is None:
            raise MissingExtra("coremltools", "coreml", "seg-export --to coreml")
        require_torch(self.name)

    def convert(self, artifact: Path, out: Path) -> str:
        """See Target. The ModelSpec is also inside, in the user-defined metadata."""
        self.require()
        # It warns of untested versions of torch, and of its engine, which is on macOS alone.
        logging.getLogger("coremltools").setLevel(logging.ERROR)
        model, spec = read_artifact(artifact)
        try:
            package = _convert(model, spec)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            reason = (str(error) or type(error).__name__).strip().splitlines()[0]
            raise ModelError(f"{artifact}: Core ML cannot take it ({reason})") from None
        package.user_defined_metadata[METADATA_KEY] = spec.to_json()
        package.save(str(out))
        spec_beside(out).write_text(spec.to_json(indent=1))
        check_program(out, model, spec)
        return "Core ML program; its interface was checked, it was not run: that takes Apple's"


def _convert(model: onnx.ModelProto, spec: ModelSpec) -> Any:
    """Return the program; it requires iOS 16 or macOS 13."""
    import coremltools
    import torch

    network = torch_network(model, CoreMLTarget.name)

    class FromImage(torch.nn.Module):
        """Core ML gives images as float planes."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            """(1, 3, H, W) float, 0 to 255 -> logits."""
            logits: torch.Tensor = self.network(image.permute(0, 2, 3, 1))
            return logits

    shape = (1, 3, spec.height, spec.width)
    quiet = contextlib.redirect_stderr(io.StringIO())  # it draws progress bars
    with warnings.catch_warnings(), quiet, torch.no_grad():
        warnings.simplefilter("ignore")  # of torch's tracing, which is what coremltools reads
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            FromImage().eval(), torch.zeros(shape), check_trace=False
        )
        return coremltools.convert(
            traced,
            inputs=[coremltools.ImageType(INPUT, shape, color_layout=spec.color_order)],
            outputs=[coremltools.TensorType(OUTPUT)],
            convert_to="mlprogram",
            minimum_deployment_target=coremltools.target.iOS16,
            compute_precision=coremltools.precision.FLOAT32,
        )


def check_program(package: Path, model: onnx.ModelProto, spec: ModelSpec) -> None:
    """Raise CheckFailed unless the package on disk has the interface of its ModelSpec.

    Checked are names, sizes and types of input and output, the ModelSpec inside, and that the
    program has all convolutions of the graph.
    """
    import coremltools

    found = coremltools.models.MLModel(str(package), skip_model_load=True).get_spec()
    image, logits = found.description.input[0], found.description.output[0]
    picture, array = image.type.imageType, logits.type.multiArrayType
    colors = picture.ColorSpace.Name(picture.colorSpace)
    shape = (1, len(spec.classes), spec.height // spec.stride, spec.width // spec.stride)
    kind = array.ArrayDataType.Name(array.dataType)
    inside = found.description.metadata.userDefined[METADATA_KEY]
    _require("input", (image.name, picture.width, picture.height, colors), _input(spec))
    _require("output", (logits.name, kind, *array.shape), (OUTPUT, "FLOAT32", *shape))
    _require("ModelSpec", inside, spec.to_json())
    convolutions = sum(node.op_type == "Conv" for node in model.graph.node)
    _require("number of convolutions", operators(found)["conv"], convolutions)


def _input(spec: ModelSpec) -> tuple[str, int, int, str]:
    return INPUT, spec.width, spec.height, spec.color_order


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise CheckFailed(f"coreml: the {what} is {found}, not {expected}")


def operators(found: Any) -> Counter[str]:
    """Count the operators of a program by name, such as "conv" and "clip"."""
    (function,) = found.mlProgram.functions.values()
    (block,) = function.block_specializations.values()
    return Counter(operation.type for operation in block.operations)
