"""The backbone: a timm feature extractor, cut to what the decoder uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from roadseg.runtime.errors import UsageError

LIGHT_BACKBONES = (
    "efficientnet_lite0",
    "fbnetc_100",
    "mnasnet_100",
    "mobilenetv2_050",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "mobilenetv3_small_100",
    "mobilenetv4_conv_medium",
    "mobilenetv4_conv_small",
    "resnet18",
    "tf_efficientnet_lite0",
    "tf_efficientnet_lite1",
)

# The ImageNet weights of EfficientNet-Lite0 were trained with this epsilon, timm's default is 1e-5.
BN_EPSILON = {"efficientnet_lite0": 1e-3}


class Backbone(nn.Module):
    """Features of a picture at growing strides.

    name: a timm model that gives features at strides 2, 4, 8, 16 and 32.
    stages: how many of these features are computed; what lies behind the last is dropped.
    depths: how many blocks of each timm stage to keep, () for all; the last ones are dropped.
    stem_stride: 2 as in timm, or 4, which doubles all strides: a network for twice the input size.
    output_stride: of the deepest feature; 8 or 16 dilates the stages behind instead of striding.

    channels, strides: of the features, one number each.
    """

    def __init__(
        self,
        name: str,
        stages: int = 5,
        depths: Sequence[int] = (),
        stem_stride: int = 2,
        output_stride: int = 32,
    ) -> None:
        super().__init__()
        if not 2 <= stages <= 5:
            raise UsageError(f"stages is {stages}: a backbone gives 2 to 5 features")
        if stem_stride not in (2, 4):
            raise UsageError(f"stem_stride is {stem_stride}: known are 2, 4")
        if output_stride not in (8, 16, 32):
            raise UsageError(f"output_stride is {output_stride}: known are 8, 16, 32")
        self.name = name
        self.body: Any = _create(name, stages, output_stride)
        if depths:
            _keep_depths(self.body, name, depths)
        if stem_stride == 4:
            self.body.conv_stem = _stem_of_stride_4(self.body, name)
        self.channels: tuple[int, ...] = tuple(self.body.feature_info.channels())
        reductions = self.body.feature_info.reduction()
        self.strides = tuple(int(r) * stem_stride // 2 for r in reductions)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features of (N, 3, H, W): (N, channels[i], H / strides[i], W / strides[i])."""
        features: list[Tensor] = self.body(image)
        return features


def _create(name: str, stages: int, output_stride: int) -> Any:
    """Build timm's feature extractor and drop the blocks behind its last feature."""
    import timm

    if name not in timm.list_models(name):
        known = ", ".join(LIGHT_BACKBONES)
        raise UsageError(f"unknown backbone '{name}': light ones are {known}")
    options: dict[str, Any] = {"bn_eps": BN_EPSILON[name]} if name in BN_EPSILON else {}
    if output_stride != 32:
        options["output_stride"] = output_stride
    try:
        body: Any = timm.create_model(
            name, features_only=True, pretrained=False, out_indices=tuple(range(stages)), **options
        )
        strides = list(body.feature_info.reduction())
    except (RuntimeError, AssertionError, AttributeError, TypeError, IndexError) as error:
        raise UsageError(f"backbone '{name}' gives no features ({error})") from None
    if strides != [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)][:stages]:
        raise UsageError(f"backbone '{name}' gives features at strides {strides}, not 2, 4, 8, …")
    if hasattr(body, "blocks"):
        last = max(entry["stage"] for entry in body.feature_info.get_dicts())
        body.blocks = body.blocks[:last]
    return body


def _keep_depths(body: Any, name: str, depths: Sequence[int]) -> None:
    """Drop the last blocks of each stage, so that depths[i] are left of stage i."""
    if not hasattr(body, "blocks"):
        raise UsageError(f"backbone '{name}' has no stages of blocks to cut to depths")
    full = [len(stage) for stage in body.blocks]
    fits = len(depths) >= len(full) and all(
        1 <= depth <= most for depth, most in zip(depths, full, strict=False)
    )
    if not fits:
        raise UsageError(f"depths {list(depths)} do not fit '{name}': it has {full} blocks a stage")
    for index, depth in enumerate(depths[: len(full)]):
        body.blocks[index] = body.blocks[index][:depth]


def _stem_of_stride_4(body: nn.Module, name: str) -> nn.Conv2d:
    """Return a stem of stride 4 in place of the 3x3 one of stride 2."""
    stem = getattr(body, "conv_stem", None)
    if not isinstance(stem, nn.Conv2d) or stem.kernel_size != (3, 3) or stem.padding != (1, 1):
        raise UsageError(f"backbone '{name}' has no 3x3 stem with symmetric padding to widen")
    return nn.Conv2d(3, stem.out_channels, 6, stride=4, padding=2, bias=False)


def widen_stem(weight: Tensor) -> Tensor:
    """Turn a 3x3 stem's weights into 6x6 ones that do 2x2 average pooling first.

    weight: (C, 3, 3, 3) -> (C, 3, 6, 6); with stride 4 and padding 2 the output is the same as that
    of the 3x3 stem on a picture of half the size.
    """
    return torch.repeat_interleave(torch.repeat_interleave(weight, 2, 2), 2, 3) / 4
