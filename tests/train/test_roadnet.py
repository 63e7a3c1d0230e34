"""RoadNet: its branches are one convolution, and it goes all the way to INT8 and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.nn.functional import conv2d

from roadseg.export.check_qdq import find_faults
from roadseg.export.cli import main as export
from roadseg.export.scores import snr_db
from roadseg.export.to_onnx import trace
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import UsageError
from roadseg.runtime.spec import ClassInfo, ModelSpec
from roadseg.train.checkpoint import load_checkpoint
from roadseg.train.cli import main
from roadseg.train.losses import DeepSupervision, SegmentationLoss
from roadseg.train.networks import build_network, complete_config
from roadseg.train.networks.artifact_weights import load_artifact_weights
from roadseg.train.networks.pruned import count_parameters
from roadseg.train.networks.reparameterized import RepConv, merge_branches
from roadseg.train.networks.roadnet import RoadNet
from roadseg.train.networks.weights import load_weights

MOST_PARAMETERS = 2e6
SMALL = '{"widths": [8, 16, 16, 24]}'
Words = Callable[..., list[str]]


def used(network: RoadNet) -> RoadNet:
    """Return a network whose norms have seen pictures, evaluating."""
    torch.manual_seed(1)
    network.train()
    for _ in range(3):
        network(torch.randn(2, 3, 96, 160))
    return network.eval()


def branch_sum(block: RepConv, feature: torch.Tensor) -> torch.Tensor:
    """Return what the branches give when each is computed by itself."""
    conv, stride = block.conv, block.conv.stride
    point, gain = block.point, block.gain
    assert point is not None
    total = conv2d(feature, conv.weight, None, stride, conv.padding, conv.dilation)
    total = total + conv2d(feature, point, None, stride)
    return total if gain is None else total + feature * gain[:, None, None]


@pytest.mark.parametrize(
    ("channels", "width", "stride", "dilation", "has_identity"),
    [(8, 8, 1, 1, True), (8, 8, 1, 4, True), (8, 12, 1, 1, False), (8, 8, 2, 1, False)],
)
@torch.no_grad()
def test_one_convolution_is_the_sum_of_its_branches(
    channels: int, width: int, stride: int, dilation: int, has_identity: bool
) -> None:
    torch.manual_seed(0)
    block = RepConv(channels, width, stride, dilation).eval()
    assert (block.gain is not None) is has_identity
    feature = torch.randn(2, channels, 17, 22)
    apart = block.act(block.norm(branch_sum(block, feature)))
    torch.testing.assert_close(block(feature), apart, rtol=1e-4, atol=1e-4)
    block.merge()
    assert {name for name, _ in block.named_parameters()} == {
        "conv.weight",
        "norm.weight",
        "norm.bias",
    }
    torch.testing.assert_close(block(feature), apart, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_merged_network_computes_the_same() -> None:
    config = complete_config({"architecture": "roadnet"})
    network = used(build_network(config, 5))
    image = torch.randn(1, 3, 64, 128)
    before = network(image)
    merged = merge_branches(network, config)
    assert merged == {**config, "branches": False}
    names = build_network(merged, 5).state_dict().keys()
    assert network.state_dict().keys() == names
    torch.testing.assert_close(network(image), before, rtol=1e-4, atol=1e-4)
    assert count_parameters(network) <= MOST_PARAMETERS
    assert merge_branches(network, {"architecture": "mobileunet"}) == {"architecture": "mobileunet"}


@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 160), (256, 64)])
@torch.no_grad()
def test_logits_have_stride_8_at_every_multiple(height: int, width: int) -> None:
    network = build_network({"architecture": "roadnet"}, 5).eval()
    logits = network(torch.randn(2, 3, height, width))
    assert logits.shape == (2, 5, height // 8, width // 8)


def test_every_parameter_learns() -> None:
    network = build_network({"architecture": "roadnet"}, 5)
    network(torch.randn(2, 3, 64, 64)).square().sum().backward()
    still = [name for name, each in network.named_parameters() if not each.grad.abs().sum() > 0]
    assert still == []


def test_coarser_scales_are_supervised() -> None:
    network = build_network({"architecture": "roadnet"}, 5)
    plain = SegmentationLoss(5, network.stride)
    loss = DeepSupervision(plain, network, 5, 0.4)
    labels = torch.randint(0, 5, (2, 64, 96), dtype=torch.uint8)
    logits = network(torch.randn(2, 3, 64, 96))
    rows = [head.logits.shape[2] for head in loss.heads if head.logits is not None]
    assert rows == [2, 4]
    assert loss(logits, labels) > plain(logits, labels)


@torch.no_grad()
def test_a_place_sees_the_whole_picture() -> None:
    network = used(build_network({"architecture": "roadnet"}, 5))
    image = torch.randn(1, 3, 512, 1024)
    changed = image.clone()
    changed[..., :64, :64] += 1
    assert (network(changed) - network(image))[0, :, -1, -1].abs().min() > 0


def test_exported_graph_is_plain_convolutions() -> None:
    config = complete_config({"architecture": "roadnet"})
    network = used(build_network(config, 3))
    merge_branches(network, config)
    classes = tuple(ClassInfo(name, (0, 0, n)) for n, name in enumerate("abc"))
    spec = ModelSpec("roadnet", classes, 128, 64, network.multiple, network.stride)
    graph = trace(network, spec).graph
    constants = {tensor.name: tensor.dims for tensor in graph.initializer}
    convs = [node for node in graph.node if node.op_type == "Conv"]
    assert all(len(node.input) == 3 for node in convs)
    kernels = Counter(constants[node.input[1]][-1] for node in convs)
    assert kernels == {3: 10, 1: 4, 6: 1}
    others = {node.op_type for node in graph.node} - {"Cast", "Sub", "Mul", "Transpose", "Constant"}
    assert others == {"Conv", "Relu", "Add", "Resize", "GlobalAveragePool"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"backbone": "mobilenetv2_050"}, "unknown network option 'backbone'"),
        ({"widths": [8, 8]}, "RoadNet has 4 widths and 2 blocks"),
        ({"blocks": 1}, "cannot be used"),
        ({"dilations": 3}, "cannot be used"),
    ],
)
def test_options_that_do_not_fit_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_network({"architecture": "roadnet", **config}, 3)


@pytest.fixture(scope="module")
def trained(blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Words]:
    """A folder with a run `float`, resumed once, and what was exported of it."""
    folder = tmp_path_factory.mktemp("roadnet")

    def words(out: str, *more: str) -> list[str]:
        base = ["--data", str(blocks), "--out", str(folder / out), "--crop", "64x64"]
        return [*base, "--batch-size", "4", "--threads", "1", "--workers", "1", *more]

    start = words("float", "--network", "roadnet", "--network-options", SMALL, "--lr", "0.01")
    start += ["--weights", "none", "--evaluate-every", "9"]
    assert main([*start, "--epochs", "12"]) == 0
    assert main([*start, "--epochs", "24", "--resume"]) == 0
    whole = [str(folder / "float" / "last.pt"), "--data", str(blocks), "--out", str(folder)]
    assert export([*whole, "--int8", "--max-drop", "100"]) == 0
    return folder, words


def test_there_are_no_imagenet_weights(
    trained: tuple[Path, Words], capsys: pytest.CaptureFixture[str]
) -> None:
    _, words = trained
    assert main(words("imagenet", "--network", "roadnet")) == 2
    assert "no ImageNet weights: give --weights FILE or none" in capsys.readouterr().err


def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (64, 96, 3)).astype(np.uint8)


def torch_logits(network: torch.nn.Module) -> np.ndarray:
    real = (torch.from_numpy(picture())[None].permute(0, 3, 1, 2).float() - 127) / 128
    with torch.no_grad():
        return network(real).numpy()


def onnx_logits(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"pixels": picture()[None]})[0]


def test_it_learns_is_resumed_and_exported(trained: tuple[Path, Words]) -> None:
    folder, _ = trained
    loaded = load_checkpoint(folder / "float" / "last.pt")
    assert len(loaded.history) == 24
    assert loaded.history[-1]["miou"] > 0.7
    assert loaded.spec.network["branches"] is True
    model, spec = read_artifact(folder / "roadnet.onnx")
    assert (spec.stride, spec.multiple) == (8, 32)
    assert spec.network == {**loaded.spec.network, "branches": False}
    assert snr_db(torch_logits(loaded.network), onnx_logits(model)) > 80


def test_int8_keeps_every_convolution(trained: tuple[Path, Words]) -> None:
    folder, _ = trained
    model, spec = read_artifact(folder / "roadnet-int8.onnx")
    assert spec.quantization["float_layers"] == []
    assert find_faults(model) == []
    whole, _ = read_artifact(folder / "roadnet.onnx")
    assert snr_db(onnx_logits(whole), onnx_logits(model)) > 20


def test_training_goes_on_from_its_artefact(trained: tuple[Path, Words]) -> None:
    folder, words = trained
    start = str(folder / "roadnet.onnx")
    network, config = load_artifact_weights(Path(start), 3)
    assert config["branches"] is False
    whole, _ = read_artifact(Path(start))
    assert snr_db(onnx_logits(whole), torch_logits(network.eval())) > 60
    assert main(words("again", "--weights", start, "--epochs", "1", "--lr", "1e-4")) == 0
    assert load_checkpoint(folder / "again" / "last.pt").spec.name == "roadnet"


@pytest.mark.parametrize("start", ["float/last.pt", "roadnet.onnx"])
def test_training_for_int8_starts_merged(trained: tuple[Path, Words], start: str) -> None:
    folder, words = trained
    out = "qat-" + start.rpartition(".")[2]
    run = words(out, "--weights", str(folder / start), "--qat", "--lr", "1e-4")
    assert main([*run, "--epochs", "1"]) == 0
    assert main([*run, "--epochs", "2", "--resume"]) == 0
    loaded = load_checkpoint(folder / out / "last.pt")
    assert loaded.spec.network["branches"] is False
    assert not any(m.point is not None for m in loaded.network.modules() if isinstance(m, RepConv))
    before = load_checkpoint(folder / "float" / "last.pt").network
    assert snr_db(torch_logits(before), torch_logits(loaded.network)) > 15


@pytest.mark.parametrize(("saved", "built"), [(False, True), (True, False), (True, True)])
@torch.no_grad()
def test_weights_with_branches_and_without_are_the_same_network(
    tmp_path: Path, saved: bool, built: bool
) -> None:
    config = {"architecture": "roadnet", "widths": [8, 16, 16, 24]}
    source = build_network(config | {"branches": saved}, 3).eval()
    other = build_network(config | {"branches": built}, 3).eval()
    torch.save(source.state_dict(), tmp_path / "source.pt")
    load_weights(other, str(tmp_path / "source.pt"))
    picture = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(other(picture), source(picture), rtol=1e-4, atol=1e-5)
