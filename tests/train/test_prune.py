"""Pruning: whole channels go with all that depends on them, and the rest computes as before."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from roadseg.export.cli import main as export
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import UsageError
from roadseg.train.checkpoint import load_checkpoint
from roadseg.train.cli import main
from roadseg.train.networks import build_network, complete_config
from roadseg.train.networks.pruned import count_parameters
from roadseg.train.prune import STEP, channel_pruner, prune_network

pytest.importorskip("torch_pruning", reason="pruning needs torch-pruning")

SHALLOW = {"depths": [1, 2, 2, 2, 2, 2, 1]}
CONFIGS: dict[str, dict[str, Any]] = {
    "mobileunet": SHALLOW | {"backbone": "efficientnet_lite0", "stem_stride": 4},
    "deeplabv3plus": {"backbone": "efficientnet_lite0", "stem_stride": 4, "stride": 8},
    "another backbone": SHALLOW | {"backbone": "mobilenetv2_100", "stride": 2},
}


def make(name: str) -> tuple[Any, dict[str, Any]]:
    """Return a network whose norms have statistics as if trained, and its config."""
    torch.manual_seed(0)
    architecture = name if name == "deeplabv3plus" else "mobileunet"
    config = complete_config({"architecture": architecture, **CONFIGS[name]})
    network = build_network(config, 5).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
    return network, config


@pytest.mark.parametrize("name", CONFIGS)
def test_the_rest_computes_what_it_did(name: str) -> None:
    network, config = make(name)
    silenced = silence(network)
    pruned = copy.deepcopy(network)
    prune_network(pruned, 0.3, config)
    image = torch.randn(1, 3, 2 * network.multiple, 3 * network.multiple)
    with torch.no_grad():
        expected, got = silenced(image), pruned(image)
        assert not torch.allclose(network(image), expected, atol=1e-2)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def silence(network: Any) -> Any:
    """Return a whole network in which what pruning will remove gives zeros.

    A channel whose norm has no scale and no offset is 0 behind ReLU6, and so are sums of such.
    """
    whole, copied = copy.deepcopy(network), copy.deepcopy(network)
    names = {module: name for name, module in copied.named_modules()}
    for group in channel_pruner(copied, 0.3).step(interactive=True):
        for dependency, channels in group:
            module = dependency.target.module
            last = isinstance(module, nn.Conv2d) and module.bias is not None
            if isinstance(module, nn.BatchNorm2d) or (last and out_channels(dependency)):
                own = whole.get_submodule(names[module])
                own.weight.data[channels] = 0
                own.bias.data[channels] = 0
    return whole


def out_channels(dependency: Any) -> bool:
    return "out_channels" in dependency.handler.__name__


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_built_again_from_its_config(name: str) -> None:
    network, config = make(name)
    before = count_parameters(network)
    config = json.loads(json.dumps(prune_network(network, 0.3, config)))
    assert count_parameters(network) < 0.65 * before
    again = build_network(config, 5).eval()
    again.load_state_dict(network.state_dict())
    image = torch.randn(1, 3, 2 * network.multiple, 2 * network.multiple)
    with torch.no_grad():
        torch.testing.assert_close(again(image), network(image))
    for module in again.modules():
        if isinstance(module, nn.Conv2d) and module.out_channels != 5:
            assert module.out_channels % STEP == 0
    # and once more, from what is pruned
    twice = prune_network(again, 0.3, config)
    assert count_parameters(build_network(twice, 5)) == count_parameters(again)


def test_shapes_that_do_not_fit() -> None:
    _, config = make("mobileunet")
    for shapes in ({"head.weight": [5, 640, 1, 1]}, {"nowhere.weight": [1]}, {"head.bias": [1, 1]}):
        with pytest.raises(UsageError, match="is not of this network"):
            build_network(config | {"pruned": shapes}, 5)


def test_nothing_to_remove() -> None:
    network, config = make("mobileunet")
    with pytest.raises(UsageError, match="nothing is removed"):
        prune_network(network, 0.001, config)


def test_a_pruned_run_trains_resumes_and_exports(
    argv: Callable[..., list[str]],
    blocks: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(argv("--epochs", "1", out="whole")) == 0
    more = ["--weights", str(tmp_path / "whole" / "last.pt"), "--prune", "0.4"]
    assert main(argv(*more, "--epochs", "1", out="small")) == 0
    assert "million weights" in capsys.readouterr().out
    assert main(argv(*more, "--epochs", "2", "--resume", out="small")) == 0
    small = load_checkpoint(tmp_path / "small" / "last.pt")
    whole = load_checkpoint(tmp_path / "whole" / "last.pt")
    assert count_parameters(small.network) < 0.75 * count_parameters(whole.network)
    assert len(small.history) == 2
    words = [str(tmp_path / "small" / "last.pt"), "--data", str(blocks), "--int8"]
    assert export([*words, "--max-drop", "100", "--out", str(tmp_path / "models")]) == 0
    told = capsys.readouterr().out
    assert "pruned: " in told
    assert read_artifact(tmp_path / "models" / "mobileunet.onnx")[1].network["pruned"]
