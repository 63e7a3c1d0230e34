"""Checkpoint to ONNX: 8-bit pixels in, low-resolution logits out, normalisation folded in."""

from __future__ import annotations

import importlib.util
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from roadseg.export.scores import snr_db
from roadseg.export.trained_ranges import add_trained_ranges
from roadseg.runtime.errors import CheckFailed, MissingExtra
from roadseg.runtime.spec import METADATA_KEY, ModelSpec

if TYPE_CHECKING:
    import torch

OPSET = 18
LEAST_SNR_DB = 60.0  # of float32 logits computed by two libraries
INPUT, OUTPUT = "pixels", "logits"


def checkpoint_to_onnx(path: Path) -> tuple[onnx.ModelProto, ModelSpec]:
    """Trace a checkpoint of seg-train; of one that was trained for INT8 the float form.

    The ranges that it was trained with are then in the metadata. Raises ModelError for a file that
    is no checkpoint, MissingExtra without torch.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtra("torch", "train", "reading a checkpoint")
    from roadseg.train.checkpoint import load_checkpoint
    from roadseg.train.networks.reparameterized import merge_branches
    from roadseg.train.qat import input_ranges, without_fake_quantization

    checkpoint = load_checkpoint(path)
    built = merge_branches(checkpoint.network, checkpoint.spec.network)
    spec = checkpoint.spec.replace(quantization={}, network=built)
    model = trace(without_fake_quantization(checkpoint.network), spec)
    if ranges := input_ranges(checkpoint.network):
        add_trained_ranges(model, ranges)
    return model, spec


def trace(network: torch.nn.Module, spec: ModelSpec) -> onnx.ModelProto:
    """Return the graph of an evaluating network, held to what PyTorch computes.

    Input `pixels` (1, height, width, 3) uint8 RGB, output `logits` (1, classes, height / stride,
    width / stride) float32; height and width are symbolic.
    """
    import torch

    class Exported(torch.nn.Module):
        """The network behind its normalisation."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            """(1, H, W, 3) uint8 -> logits."""
            real = (pixels.to(torch.float32) - spec.mean) * (1 / spec.scale)
            logits: torch.Tensor = self.network(real.permute(0, 3, 1, 2))
            return logits

    exported = Exported().eval()
    model = _export(exported, (1, spec.height, spec.width, 3))
    _check_same(model, exported, spec)
    return model


def _export(exported: torch.nn.Module, shape: tuple[int, ...]) -> onnx.ModelProto:
    import torch

    file = io.BytesIO()
    with warnings.catch_warnings():
        # The tracing exporter is deprecated; its graph is the one without shape arithmetic.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            exported,
            (torch.zeros(shape, dtype=torch.uint8),),
            file,  # type: ignore[arg-type]  # as its documentation says
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {1: "height", 2: "width"}, OUTPUT: {2: "rows", 3: "columns"}},
            dynamo=False,
        )
    return onnx.load_model_from_string(file.getvalue())


def _check_same(model: onnx.ModelProto, network: torch.nn.Module, spec: ModelSpec) -> None:
    """Raise CheckFailed unless the graph gives the logits that the network gives."""
    import torch

    shape = (1, 2 * spec.multiple, 3 * spec.multiple, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    with torch.no_grad():
        expected = network(torch.from_numpy(pixels)).numpy()
    ratio = snr_db(expected, session.run(None, {INPUT: pixels})[0])
    if not ratio >= LEAST_SNR_DB:  # also where logits are no numbers
        raise CheckFailed(
            f"the exported graph differs from the checkpoint: {ratio:.0f} dB signal to noise at "
            f"the logits, {LEAST_SNR_DB:.0f} are needed"
        )


def with_spec(model: onnx.ModelProto, spec: ModelSpec) -> onnx.ModelProto:
    """Return a copy of a model that carries a ModelSpec; its other metadata stays."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    kept = {e.key: e.value for e in made.metadata_props if e.key != METADATA_KEY}
    del made.metadata_props[:]
    helper.set_model_props(made, {METADATA_KEY: spec.to_json(), **kept})
    return made
