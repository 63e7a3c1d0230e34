"""Training starts from an artefact: the same network, with its norms back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import ModelError, UsageError
from roadseg.runtime.shipped import resolve_model, shipped_models
from roadseg.runtime.spec import METADATA_KEY
from roadseg.train.networks import Network
from roadseg.train.networks.artifact_weights import load_artifact_weights, measure_norms
from roadseg.train.options import CROP, TrainOptions
from roadseg.train.run import prepare

NAMES = ("mobileunet", "deeplabv3plus", "roadnet")


def inputs(count: int = 2) -> torch.Tensor:
    """Return smooth random pictures, normalised."""
    torch.manual_seed(3)
    coarse = torch.rand(count, 3, 8, 8) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (128, 256), mode="bilinear")


def artifact_logits(path: Path, images: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    pixels = (images * 128 + 127).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return np.concatenate([session.run(None, {"pixels": one[None]})[0] for one in pixels])


def network_logits(network: Network, images: torch.Tensor) -> np.ndarray:
    exact = ((images * 128 + 127).round().clamp(0, 255) - 127) / 128
    with torch.no_grad():
        return network.eval()(exact).numpy()


@pytest.mark.parametrize("name", NAMES)
def test_the_network_computes_what_its_artefact_does(name: str) -> None:
    path, images = resolve_model(name), inputs()
    network, config = load_artifact_weights(path, 11)
    assert config["architecture"] == name
    expected = artifact_logits(path, images)
    np.testing.assert_allclose(network_logits(network, images), expected, atol=2e-3)
    measure_norms(network, [images])
    np.testing.assert_allclose(network_logits(network, images), expected, atol=2e-2)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(float(norm.running_var.mean()) != 1.0 for norm in norms)


def test_measured_norms_let_training_mode_compute_the_same() -> None:
    images = inputs(4)
    network, _ = load_artifact_weights(resolve_model("deeplabv3plus"), 11)
    before = network_logits(network, images)
    plain = np.abs(network.train()(images).detach().numpy() - before).mean()
    network, _ = load_artifact_weights(resolve_model("deeplabv3plus"), 11)
    measure_norms(network, [images])
    measured = np.abs(network.train()(images).detach().numpy() - before).mean()
    assert measured < 0.05 * plain


def test_other_classes_start_with_a_new_head() -> None:
    network, _ = load_artifact_weights(resolve_model("mobileunet"), 3)
    whole, _ = load_artifact_weights(resolve_model("mobileunet"), 11)
    assert network.head.weight.shape[0] == 3
    own, theirs = network.state_dict(), whole.state_dict()
    assert all(torch.equal(own[k], theirs[k]) for k in own if not k.startswith("head."))


def test_a_run_starts_from_a_shipped_network(options: Callable[..., TrainOptions]) -> None:
    chosen = options("--weights", "deeplabv3plus", "--network-options", "")
    trainer = prepare(chosen)
    assert trainer.spec.network["architecture"] == "deeplabv3plus"
    assert trainer.spec.trained_on["weights"] == "file"
    with pytest.raises(UsageError, match="brings its own network: leave --network-options out"):
        prepare(options("--weights", "deeplabv3plus"))


def test_what_cannot_be_started_from(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ModelError, match="is int8: training starts from a float32 artefact"):
        load_artifact_weights(resolve_model("mobileunet-int8"), 11)
    with pytest.raises(ModelError, match="its spec does not say how its network is built"):
        load_artifact_weights(model, 3)
    graph, spec = read_artifact(resolve_model("mobileunet"))
    for entry in graph.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = spec.replace(network={**spec.network, "blocks": 1}).to_json()
    onnx.save(graph, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="73 convolutions, its network has 65"):
        load_artifact_weights(tmp_path / "other.onnx", 11)


def test_the_default_crop_fits_what_is_shipped() -> None:
    for name in shipped_models():
        multiple = read_artifact(resolve_model(name))[1].multiple
        assert CROP.width % multiple == 0 and CROP.height % multiple == 0
