"""Training for INT8: what is trained with is what the artefact computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from roadseg.calibration import quantize
from roadseg.calibration.quantize import integer_weights
from roadseg.export.check_qdq import find_faults
from roadseg.export.cli import main as export
from roadseg.export.scores import snr_db
from roadseg.export.trained_ranges import trained_ranges
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.engines.lowering import read_ranges
from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import parse_options
from roadseg.train.checkpoint import load_checkpoint
from roadseg.train.cli import main
from roadseg.train.networks import build_network
from roadseg.train.options import TrainOptions
from roadseg.train.qat import (
    FakeQuantConv2d,
    fake_quantize,
    fake_quantize_input,
    fake_quantize_weight,
    without_fake_quantization,
)

Argv = Callable[..., list[str]]


@pytest.fixture(scope="module")
def trained(
    blocks: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Callable[..., list[str]]]:
    """A run's folder with runs `float` and `qat`, the second from the first."""
    folder = tmp_path_factory.mktemp("qat")
    network = '{"depths": [1, 1, 1, 1, 1, 1, 1], "widths": [16, 16, 16, 16], "blocks": 1}'

    def words(out: str, *more: str) -> list[str]:
        base = ["--data", str(blocks), "--out", str(folder / out), "--crop", "64x64"]
        base += ["--backbone", "mobilenetv2_050", "--network-options", network]
        base += ["--batch-size", "4", "--threads", "1", "--workers", "1", "--evaluate-every", "9"]
        return [*base, *more]

    assert main(words("float", "--weights", "none", "--epochs", "9", "--lr", "0.01")) == 0
    start = str(folder / "float" / "last.pt")
    assert main(words("qat", "--weights", start, "--qat", "--epochs", "3", "--lr", "1e-3")) == 0
    return folder, words


def picture(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 96, 3)).astype(np.uint8)


def torch_logits(network: nn.Module, pixels: np.ndarray) -> np.ndarray:
    real = (torch.from_numpy(pixels)[None].permute(0, 3, 1, 2).float() - 127) / 128
    with torch.no_grad():
        return network(real).numpy()


def onnx_logits(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    """Return what the graph says, without fusions: they move values across rounding steps."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"pixels": pixels[None]})[0]


def both(
    network: nn.Module, model: onnx.ModelProto, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return torch_logits(network, pixels), onnx_logits(model, pixels)


def test_the_artefact_computes_what_was_trained(
    trained: tuple[Path, Callable[..., list[str]]], blocks: Path, tmp_path: Path
) -> None:
    checkpoint = trained[0] / "qat" / "last.pt"
    words = [str(checkpoint), "--int8", "--data", str(blocks), "--max-drop", "100"]
    assert export([*words, "--out", str(tmp_path), "--bias-correction", "--equalize"]) == 0
    model, spec = read_artifact(tmp_path / "mobileunet-int8.onnx")
    assert spec.quantization["method"] == "qat"
    assert spec.quantization["bias_correction"] is spec.quantization["equalize"] is False
    assert find_faults(model) == []

    loaded = load_checkpoint(checkpoint)
    # A value on a rounding step falls to either side, by the processor, and moves all behind it.
    same = max(range(8), key=lambda seed: snr_db(*both(loaded.network, model, picture(seed))))
    expected, got = both(loaded.network, model, picture(same))
    assert snr_db(expected, got) >= 60
    plain = torch_logits(without_fake_quantization(loaded.network), picture(same))
    assert snr_db(plain, got) < 40  # so that it is the rounding that is compared

    whole = onnx.load(tmp_path / "mobileunet.onnx")
    ranges = trained_ranges(whole)
    assert ranges.items() <= read_ranges(model).items()
    assert snr_db(plain, onnx_logits(whole, picture(same))) > 80
    wrong = {name: 0.7 * value for name, value in read_ranges(model).items()}
    assert snr_db(expected, onnx_logits(quantize(whole, wrong), picture(same))) < 40


def test_a_run_that_is_resumed_goes_on(trained: tuple[Path, Callable[..., list[str]]]) -> None:
    folder, words = trained
    start = str(folder / "float" / "last.pt")
    more = ["--weights", start, "--qat", "--lr", "1e-3"]
    assert main(words("again", *more, "--epochs", "1")) == 0
    before = load_checkpoint(folder / "again" / "last.pt")
    assert main(words("again", *more, "--epochs", "2", "--resume")) == 0
    after = load_checkpoint(folder / "again" / "last.pt")
    assert len(after.history) == len(before.history) + 1
    assert any(isinstance(module, FakeQuantConv2d) for module in after.network.modules())
    assert main(words("again", "--weights", start, "--epochs", "3", "--resume")) == 2


def test_statistics_are_frozen_and_weights_are_not(
    trained: tuple[Path, Callable[..., list[str]]],
) -> None:
    states = [
        load_checkpoint(trained[0] / run / "last.pt").network.state_dict()
        for run in ("float", "qat")
    ]
    moved = {
        name for name, value in states[0].items() if not torch.equal(value.float(), states[1][name])
    }
    assert not {name for name in moved if "running_" in name}
    assert len({name for name in moved if name.endswith("weight")}) > 20


def test_weights_round_as_the_artefacts_with_batch_norm_before_or_after() -> None:
    torch.manual_seed(0)
    for shape in ((8, 6, 3, 3), (8, 1, 3, 3)):
        weight, norm = torch.randn(shape), torch.randn(8).view(8, 1, 1, 1)
        folded = (weight * norm).numpy()
        whole, scale = integer_weights(folded)
        rounded = (fake_quantize_weight(weight) * norm).numpy()
        np.testing.assert_allclose(rounded, whole * scale[:, None, None, None], atol=1e-5)
        assert np.abs(rounded - folded).max() > 1e-3


def test_gradients_go_straight_through_within_the_range() -> None:
    values = torch.tensor([-3.0, -0.4, 0.0, 0.7, 1.5], requires_grad=True)
    rounded = fake_quantize_input(values, torch.tensor(1.0))
    steps = rounded.detach() * 127
    torch.testing.assert_close(steps, torch.tensor([-128.0, -51.0, 0.0, 89.0, 127.0]))
    rounded.sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


def test_only_the_first_convolution_reads_pixels() -> None:
    network = build_network({"backbone": "mobilenetv2_050", "widths": [16, 16, 16, 16]}, 3)
    names = list(network.state_dict())
    fake_quantize(network)
    convs = {n: m for n, m in network.named_modules() if isinstance(m, FakeQuantConv2d)}
    assert [name for name, conv in convs.items() if conv.reads_pixels] == [
        "backbone.body.conv_stem"
    ]
    assert set(network.state_dict()) - set(names) == {f"{name}.input_range" for name in convs}
    assert list(without_fake_quantization(network).state_dict()) == names


def test_what_it_cannot_take_is_told(argv: Argv, tmp_path: Path) -> None:
    same = build_network({"backbone": "tf_efficientnet_lite0", "widths": [16, 16, 16, 16]}, 3)
    with pytest.raises(UsageError, match=r"conv_stem is Conv2dSame"):
        fake_quantize(same)
    for more in (["--qat"], ["--prune", "0.5"]):
        with pytest.raises(UsageError, match="give --weights MODEL"):
            parse_options("seg-train", TrainOptions, argv(*more))
    assert main(argv("--qat", "--weights", str(tmp_path / "none.pt"))) == 2


def test_it_starts_from_an_artefact(
    trained: tuple[Path, Callable[..., list[str]]], blocks: Path, tmp_path: Path
) -> None:
    folder, words = trained
    whole = [str(folder / "float" / "last.pt"), "--data", str(blocks), "--out", str(tmp_path)]
    assert export(whole) == 0
    start = str(tmp_path / "mobileunet.onnx")
    run = words("artefact", "--weights", start, "--qat", "--lr", "1e-4")
    run = [word for word in run if word != "--network-options" and not word.startswith("{")]
    assert main([*run, "--epochs", "1"]) == 0
    loaded = load_checkpoint(folder / "artefact" / "last.pt")
    assert loaded.spec.quantization == {"method": "qat"}
    before = load_checkpoint(folder / "float" / "last.pt").network
    now = torch_logits(without_fake_quantization(loaded.network), picture())
    assert snr_db(torch_logits(before, picture()), now) > 15


def test_a_checkpoint_of_other_classes(
    trained: tuple[Path, Callable[..., list[str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, words = trained
    start = str(folder / "float" / "last.pt")
    assert main(words("other", "--weights", start, "--qat", "--classes", "road")) == 2
    assert "has other classes than the data" in capsys.readouterr().err
