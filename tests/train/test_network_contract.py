"""What every network by name keeps: shapes, the way to ONNX and back, resuming, INT8."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from roadseg.export.cli import main as export
from roadseg.export.to_onnx import trace
from roadseg.runtime.cli import main as run
from roadseg.runtime.errors import MissingExtra, UsageError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ClassInfo, ModelSpec
from roadseg.train.checkpoint import read
from roadseg.train.networks import NETWORKS, Network, build_network, complete_config
from roadseg.train.networks.reparameterized import merge_branches
from roadseg.train.networks.weights import load_weights
from roadseg.train.options import TrainOptions
from roadseg.train.outputs import Outputs
from roadseg.train.run import prepare, train

MOBILE: dict[str, Any] = {"backbone": "mobilenetv2_050", "depths": [1] * 7}
# Small forms of them, so that this takes seconds.
SMALL: dict[str, dict[str, Any]] = {
    "mobileunet": MOBILE | {"widths": [8] * 4, "blocks": 1},
    "deeplabv3plus": MOBILE | {"aspp_width": 8, "low_width": 8, "width": 8},
    "roadnet": {"widths": [8, 8, 16, 16]},
    "unet": {"widths": [8, 16]},
    "unet++": MOBILE | {"widths": [8] * 5},
    "fcn": MOBILE,
    "deeplabv3plus_resnet101": MOBILE | {"width": 8},
}
STRIDES = {"mobileunet": 4, "deeplabv3plus": 4, "unet": 1, "unet++": 1, "fcn": 8}
STRIDES |= {"roadnet": 8, "deeplabv3plus_resnet101": 4}
LIBRARY = {"unet++", "deeplabv3plus_resnet101"}
CLASSES = tuple(ClassInfo(name, (i, i, i)) for i, name in enumerate(("road", "car", "sky")))


@pytest.fixture(params=sorted(NETWORKS))
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    if chosen in LIBRARY:
        pytest.importorskip("segmentation_models_pytorch", reason="the extra 'networks'")
    return chosen


def small(name: str) -> dict[str, Any]:
    return complete_config({"architecture": name, **SMALL.get(name, {})})


def build(name: str) -> tuple[Network, ModelSpec]:
    """A network whose batch norms have seen something, so that no residual branch is zero."""
    torch.manual_seed(0)
    config = small(name)
    network = build_network(config, len(CLASSES))
    for _ in range(3):
        network(torch.randn(2, 3, 2 * network.multiple, 2 * network.multiple))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    config = merge_branches(network, config)  # as a checkpoint's export does
    side = 2 * network.multiple
    spec = ModelSpec(
        name=name,
        classes=CLASSES,
        width=side,
        height=side,
        multiple=network.multiple,
        stride=network.stride,
        network=config,
    )
    return network.eval().requires_grad_(False), spec


def test_logits_have_the_stride_at_every_size(name: str) -> None:
    network, _ = build(name)
    assert network.stride == STRIDES.get(name, network.stride)
    step = network.multiple
    for rows, columns in ((1, 2), (2, 1), (3, 5)):
        height, width = rows * step, columns * step
        logits = network(torch.randn(1, 3, height, width))
        assert logits.shape == (1, 3, height // network.stride, width // network.stride)


def test_every_place_of_the_picture_counts(name: str) -> None:
    network, _ = build(name)
    side = 4 * network.multiple
    image = torch.randn(1, 3, side, side)
    change = network(image.flip(-1)) - network(image)
    assert (change.abs().amax(1) > 0).all()


def test_onnx_runtime_gives_the_same_logits(name: str) -> None:
    network, spec = build(name)
    model = trace(network, spec).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(1)
    for rows, columns in ((2, 2), (1, 3), (3, 2)):  # the first as traced
        shape = 1, rows * spec.multiple, columns * spec.multiple, 3
        pixels = random.integers(0, 256, shape).astype(np.uint8)
        real = (torch.from_numpy(pixels).float() - spec.mean) / spec.scale
        expected = network(real.permute(0, 3, 1, 2)).numpy()
        (logits,) = session.run(None, {"pixels": pixels})
        assert logits.shape == expected.shape
        np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_spec_builds_the_network_again(name: str) -> None:
    network, spec = build(name)
    read_back = ModelSpec.from_json(spec.to_json())
    assert complete_config(read_back.network) == spec.network
    again = build_network(read_back.network, len(read_back.classes)).eval()
    again.load_state_dict(network.state_dict())
    image = torch.randn(1, 3, spec.height, spec.width)
    assert torch.equal(again(image), network(image))


@pytest.fixture
def quick(
    blocks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TrainOptions]:
    """Options of two epochs of three steps, without the pictures that every run draws."""
    monkeypatch.setattr(Outputs, "draw", lambda *_: None)

    def build(name: str, out: str, resume: bool = False) -> TrainOptions:
        options = {k: v for k, v in SMALL.get(name, {}).items() if k != "backbone"}
        return TrainOptions(
            data=(str(blocks),),
            out=tmp_path / out,
            network=name,
            backbone=SMALL.get(name, {}).get("backbone", ""),
            network_options=json.dumps(options),
            weights="none",
            crop=Size(64, 64),
            batch_size=4,
            epochs=2,
            evaluate_every=2,
            threads=1,
            workers=0,
            resume=resume,
        )

    return build


def test_training_resumes_to_the_same_bits_and_its_int8_runs(
    name: str, quick: Callable[..., TrainOptions], blocks: Path, tmp_path: Path
) -> None:
    train(quick(name, "whole"))
    prepare(quick(name, "cut")).run_epoch()
    train(quick(name, "cut", resume=True))
    whole, cut = (read(tmp_path / out / "last.pt") for out in ("whole", "cut"))
    for kind in ("model", "average"):
        assert all(torch.equal(value, cut[kind][key]) for key, value in whole[kind].items())

    models = tmp_path / "models"
    words = [
        str(tmp_path / "whole" / "last.pt"),
        "--int8",
        "--data",
        str(blocks),
        "--out",
        str(models),
    ]
    assert export([*words, "--max-drop", "100", "--calib-frames", "2"]) == 0
    for file in (f"{name}.onnx", f"{name}-int8.onnx"):
        masks = tmp_path / file
        model = str(models / file)
        assert (
            run([model, str(blocks / "images"), "--engine", "onnxruntime", "--masks", str(masks)])
            == 0
        )
        assert len(list(masks.glob("*.png"))) == 16


@pytest.mark.parametrize("chosen", sorted(LIBRARY))
def test_without_the_library_the_extra_is_named(
    chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = [module for module in sys.modules if module.startswith("segmentation_models_pytorch")]
    for module in loaded:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(MissingExtra, match=r"^" + re.escape(chosen) + r" .*'roadseg\[networks\]'"):
        build_network(small(chosen), 3)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architecture": "unet"}, "this network has no ImageNet weights"),
        ({"architecture": "fcn", "backbone": "resnet34"}, "no package has the .* of resnet34"),
    ],
)
def test_imagenet_weights_that_no_package_has_are_refused(
    config: dict[str, Any], message: str
) -> None:
    with torch.device("meta"):
        network = build_network(config, 3)
    with pytest.raises(UsageError, match=message) as caught:
        load_weights(network, "imagenet")
    assert "--weights" in str(caught.value) and "\n" not in str(caught.value)


def test_weights_of_a_network_without_a_backbone(tmp_path: Path) -> None:
    one, _ = build("unet")
    torch.save(one.state_dict(), tmp_path / "unet.pt")
    other = build_network(small("unet"), 5)
    load_weights(other, str(tmp_path / "unet.pt"))
    for key, value in other.state_dict().items():
        assert torch.equal(value, one.state_dict()[key]) is not key.startswith("head."), key


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architecture": "unet", "widths": []}, "needs a stage"),
        ({"architecture": "unet", "backbone": "resnet18"}, "unknown network option 'backbone'"),
        ({"architecture": "unet++", "widths": [8]}, "cannot be used"),
        ({"architecture": "fcn", "output_stride": 4}, "known are 8, 16, 32"),
        ({"architecture": "deeplabv3plus_resnet101", "output_stride": 32}, "of 8 or 16"),
        ({"architecture": "deeplabv3plus_resnet101", "rates": [6]}, "cannot be used"),
    ],
)
def test_options_that_do_not_fit_are_refused(config: dict[str, Any], message: str) -> None:
    if config["architecture"] in LIBRARY:
        pytest.importorskip("segmentation_models_pytorch", reason="the extra 'networks'")
    with pytest.raises(UsageError, match=message), torch.device("meta"):
        build_network(config, 3)


def test_document_has_the_networks_and_their_sizes() -> None:
    pytest.importorskip("segmentation_models_pytorch", reason="the extra 'networks'")
    text = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()
    rows = dict(re.findall(r"^\| `([^`]+)` \|[^|]*\| ([\d.]+) \|", text, re.MULTILINE))
    assert rows.keys() == NETWORKS.keys()
    for name, millions in rows.items():
        with torch.device("meta"):
            network = build_network({"architecture": name}, 11)
        count = sum(value.numel() for value in network.parameters())
        assert f"{count / 1e6:.1f}" == millions, name
