"""Auxiliary heads at the decoder's scales: they learn and are resumed, and no user gets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from roadseg.runtime.errors import UsageError
from roadseg.train.checkpoint import load_checkpoint, read
from roadseg.train.losses import DeepSupervision, SegmentationLoss
from roadseg.train.networks import build_network
from roadseg.train.options import TrainOptions
from roadseg.train.run import train

Options = Callable[..., TrainOptions]
SMALL = {"backbone": "mobilenetv2_050", "depths": [1] * 7}
DEEPLAB = SMALL | {"architecture": "deeplabv3plus", "depths": [1] * 5, "aspp_width": 16}


@pytest.mark.parametrize(("config", "strides"), [(SMALL, [16, 8]), (DEEPLAB, [16])])
def test_heads_are_supervised_at_the_decoders_scales(
    config: dict[str, object], strides: list[int]
) -> None:
    torch.manual_seed(0)
    network = build_network(config, 3)
    loss = DeepSupervision(SegmentationLoss(3, network.stride), network, 3, 0.5)
    labels = torch.randint(0, 3, (2, 64, 96), dtype=torch.uint8)
    logits = network.train()(torch.randn(2, 3, 64, 96))
    found = [head.logits for head in loss.heads]
    assert [96 // each.shape[3] for each in found if each is not None] == strides
    plain = loss.loss(logits, labels)
    others = [
        SegmentationLoss(3, stride)(each, labels)
        for stride, each in zip(strides, found, strict=True)
        if each is not None
    ]
    value = loss(logits, labels)
    torch.testing.assert_close(value, plain + 0.5 * torch.stack(others).mean())
    value.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(head.logits is None for head in loss.heads)


def test_a_network_without_scales_is_refused() -> None:
    network = build_network(SMALL | {"stride": 16}, 3)
    with pytest.raises(UsageError, match="no decoder scales to supervise"):
        DeepSupervision(SegmentationLoss(3, 16), network, 3, 0.5)


def test_a_run_is_resumed_and_gives_a_network_without_heads(
    options: Options, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(options("--deep-supervision", "0.4", "--epochs", "1"))
    before = read(run / "last.pt")["model"]
    with pytest.raises(UsageError, match="had another deep_supervision"):
        train(options("--resume"))
    done = train(options("--deep-supervision", "0.4", "--resume"))
    assert done.state.epoch == 2
    after = read(run / "last.pt")["model"]
    heads = [name for name in after if name.startswith("auxiliary.") and "weight" in name]
    assert len(heads) == 2
    assert all(not torch.equal(before[name], after[name]) for name in heads)
    kept = load_checkpoint(run / "last.pt").network.state_dict()
    assert kept and not any("auxiliary" in name for name in kept)
    average = done.step.average.network.state_dict()
    assert all(torch.equal(value, average[name]) for name, value in kept.items())
