"""Bias correction: means are measured, and the shift that rounding made is taken back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from roadseg.calibration import channel_means, collect_ranges, quantize
from roadseg.calibration.bias_correction import correction
from roadseg.calibration.quantize import integer_weights
from roadseg.data import open_dataset
from roadseg.export.half_weights import restore
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.shipped import resolve_model


@pytest.mark.parametrize(("out", "inputs", "group"), [(6, 4, 1), (8, 8, 8), (8, 4, 4), (6, 4, 2)])
def test_it_is_the_mean_that_was_lost(out: int, inputs: int, group: int) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch's convolution")
    random = np.random.default_rng(0)
    weights = random.normal(0, 1, (out, inputs // group, 3, 3)).astype(np.float32)
    whole, scale = integer_weights(weights)
    rounded = (whole * scale[:, None, None, None]).astype(np.float32)
    means = random.normal(0, 3, inputs)
    flat = torch.tensor(means, dtype=torch.float64)[None, :, None, None].expand(1, inputs, 3, 3)

    def conv(kernel: np.ndarray) -> np.ndarray:
        real = torch.tensor(kernel, dtype=torch.float64)
        return torch.nn.functional.conv2d(flat, real, groups=group).numpy()[0, :, 0, 0]

    lost = conv(weights) - conv(rounded)
    np.testing.assert_allclose(correction(weights, rounded, means), lost, rtol=1e-4, atol=1e-5)
    assert np.abs(lost).max() > 1e-3


@pytest.fixture(scope="module")
def frames(roads: Path) -> list[np.ndarray]:
    dataset = open_dataset(str(roads))
    return [dataset.load(sample)[0] for sample in dataset.samples[:4]]


def test_means_are_over_frames_and_places(exported: Path, frames: list[np.ndarray]) -> None:
    model = onnx.load(exported / "mobileunet.onnx")
    means = channel_means(model, frames)
    first = next(node.input[0] for node in model.graph.node if node.op_type == "Conv")
    expected = np.mean([(each.astype(float) - 127) / 128 for each in frames], axis=(0, 1, 2))
    np.testing.assert_allclose(means[first], expected, atol=1e-4)
    inputs = {node.input[0] for node in model.graph.node if node.op_type == "Conv"}
    assert set(means) == inputs


@pytest.mark.parametrize("name", ["mobileunet", "deeplabv3plus"])
def test_the_logits_means_come_nearer(name: str) -> None:
    """On trained networks: those of a few steps round too little for the means to tell."""
    dataset = open_dataset("synthetic:?n=4&size=256x128")
    frames = [dataset.load(sample)[0] for sample in dataset.samples]
    model = restore(read_artifact(resolve_model(name))[0])
    ranges, means = collect_ranges(model, frames), channel_means(model, frames)

    def logits(network: onnx.ModelProto) -> np.ndarray:
        session = onnxruntime.InferenceSession(
            network.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        runs = [session.run(None, {"pixels": each[None]})[0] for each in frames]
        return np.concatenate(runs).mean(axis=(0, 2, 3))

    real = logits(model)
    plain = np.abs(logits(quantize(model, ranges)) - real).mean()
    corrected = np.abs(logits(quantize(model, ranges, means=means)) - real).mean()
    assert corrected < plain  # by how much depends on the network: by 3 % or by half
