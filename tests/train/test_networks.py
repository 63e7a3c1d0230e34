from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import avg_pool2d

from roadseg.runtime.errors import UsageError
from roadseg.train.networks import NETWORKS, build_network, complete_config, has_backbone
from roadseg.train.networks.weights import load_weights

BACKBONES = (
    "efficientnet_lite0",
    "mobilenetv2_050",
    "mobilenetv2_100",
    "tf_efficientnet_lite0",
)
OVER_BACKBONE = sorted(name for name, kind in NETWORKS.items() if has_backbone(kind))
SIZES = ((64, 64), (96, 160), (128, 64))


def build(architecture: str, backbone: str = "mobilenetv2_050", **config: Any) -> Any:
    torch.manual_seed(0)
    config = {"architecture": architecture, "backbone": backbone, **config}
    return build_network(config, 5).eval()


@pytest.mark.parametrize("architecture", OVER_BACKBONE)
@pytest.mark.parametrize(
    ("backbone", "config", "stride"),
    [(name, {}, 4) for name in BACKBONES]
    + [
        ("mobilenetv2_050", {"stride": 2}, 2),
        ("mobilenetv2_050", {"stride": 8}, 8),
        ("mobilenetv2_050", {"blocks": 0}, 4),
        ("mobilenetv2_050", {"depths": [1, 1, 2, 2, 2, 2, 1]}, 4),
        ("mobilenetv2_050", {"stages": 4}, 4),
        ("efficientnet_lite0", {"depths": [1, 1, 1, 1, 1, 1, 1]}, 4),
    ],
)
@torch.no_grad()
def test_logits_have_the_stride_at_every_multiple(
    architecture: str, backbone: str, config: dict[str, Any], stride: int
) -> None:
    network = build(architecture, backbone, **config)
    assert network.stride == stride
    assert 32 % network.multiple == 0
    for height, width in SIZES:
        logits = network(torch.randn(2, 3, height, width))
        assert logits.shape == (2, 5, height // stride, width // stride)


@pytest.mark.parametrize("architecture", OVER_BACKBONE)
@torch.no_grad()
def test_stem_of_stride_4_is_the_network_on_the_picture_at_half_size(
    architecture: str, tmp_path: Any
) -> None:
    half = build(architecture, stride=4)
    torch.save(half.state_dict(), tmp_path / "half.pt")
    full = build(architecture, stride=8, stem_stride=4)
    load_weights(full, str(tmp_path / "half.pt"))
    assert full.multiple == 2 * half.multiple
    image = torch.randn(1, 3, 128, 192)
    torch.testing.assert_close(full(image), half(avg_pool2d(image, 2)), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_input_changes_reach_every_class_and_place() -> None:
    network = build("deeplabv3plus")
    image = torch.randn(1, 3, 64, 64)
    change = network(image + 0.5) - network(image)
    assert (change.abs() > 0).all()


def test_backbone_is_cut_to_what_the_decoder_uses() -> None:
    whole, cut = build("mobileunet"), build("deeplabv3plus")
    assert len(cut.backbone.body.blocks) == 5 < len(whole.backbone.body.blocks)


def test_config_is_completed_and_builds_the_same_network() -> None:
    full = complete_config({"architecture": "deeplabv3plus", "rates": [2, 4]})
    assert full["rates"] == [2, 4]
    assert full["stages"] == 4
    assert complete_config(full) == full
    names = build_network(full, 5).state_dict().keys()
    assert build("deeplabv3plus", full["backbone"], rates=[2, 4]).state_dict().keys() == names


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architecture": "resunet"}, "known are deeplabv3plus, mobileunet, roadnet"),
        ({"strid": 4}, "known are architecture, backbone, blocks, depths, stages"),
        ({"backbone": "mobilenet"}, "light ones are efficientnet_lite0, fbnetc_100"),
        ({"backbone": "vit_tiny_patch16_224"}, "vit_tiny_patch16_224"),
        ({"stride": 3}, "known are 2, 4, 8, 16"),
        ({"stride": 32}, "known are 2, 4, 8, 16"),
        ({"widths": [8]}, "stride 4 needs 3 of them"),
        ({"widths": "8"}, "widths"),
        ({"stages": 6}, "2 to 5"),
        ({"stem_stride": 8}, "known are 2, 4"),
        ({"stem_stride": 4, "backbone": "tf_efficientnet_lite0"}, "symmetric padding"),
        ({"stem_stride": 4, "backbone": "resnet18"}, "no 3x3 stem"),
        ({"depths": [9, 1, 1, 1, 1, 1, 1]}, "it has [1, 2, 3, 4, 3, 3, 1] blocks"),
        ({"depths": [1, 1]}, "it has [1, 2, 3, 4, 3, 3, 1] blocks"),
        ({"depths": [1, 1, 1, 1], "backbone": "resnet18"}, "no stages of blocks"),
        ({"architecture": "deeplabv3plus", "stride": 16}, "known are 2, 4, 8"),
        ({"architecture": "deeplabv3plus", "rates": 6}, "cannot be used"),
        ({"blocks": "two"}, "cannot be used"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        build_network({"backbone": "mobilenetv2_050", **config}, 5)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
