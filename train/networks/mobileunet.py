"""MobileUNet: a U-Net whose decoder is depthwise-separable, for small devices."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from roadseg.runtime.errors import UsageError
from roadseg.train.networks.backbone import Backbone
from roadseg.train.networks.layers import pointwise, separables


class Fuse(nn.Module):
    """Bring a deep feature up to a skip feature of twice its size and add the two."""

    def __init__(self, deep: int, skip: int, width: int, blocks: int) -> None:
        super().__init__()
        self.deep = pointwise(deep, width)
        self.skip = pointwise(skip, width)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.blocks = separables(width, width, blocks)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """(N, deep, h, w) and (N, skip, 2h, 2w) -> (N, width, 2h, 2w)."""
        fused: Tensor = self.blocks(self.up(self.deep(deep)) + self.skip(skip))
        return fused


class MobileUNet(nn.Module):
    """U-Net (Ronneberger et al., 2015) over a mobile backbone, skips added instead of concatenated.

    widths: of the decoder's stages, deepest first; those that `stride` needs are used.
    blocks: depthwise-separable blocks in a decoder stage.
    stride: of the logits; 2 or 4 (4 or 8 with a stem of stride 4).
    """

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        stride: int = 4,
        widths: Sequence[int] = (96, 64, 48, 32),
        blocks: int = 2,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.stride = stride
        self.multiple = backbone.strides[-1]
        if stride not in backbone.strides[:-1]:
            known = ", ".join(map(str, backbone.strides[:-1]))
            raise UsageError(f"MobileUNet cannot give logits of stride {stride}: known are {known}")
        first = backbone.strides.index(stride)
        skips = backbone.channels[first:-1][::-1]
        if len(widths) < len(skips):
            raise UsageError(f"widths {list(widths)}: stride {stride} needs {len(skips)} of them")
        deeps = (backbone.channels[-1], *widths)
        self.stages = nn.ModuleList(
            Fuse(deep, skip, width, blocks)
            for deep, skip, width in zip(deeps, skips, widths, strict=False)
        )
        self.head = nn.Conv2d(widths[len(skips) - 1], classes, 1)

    def decoder_scales(self) -> list[nn.Module]:
        """Return the decoder's stages at strides coarser than the logits'."""
        return list(self.stages[:-1])

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), normalised -> logits (N, classes, H / stride, W / stride)."""
        *skips, feature = self.backbone(image)
        for stage, skip in zip(self.stages, reversed(skips), strict=False):
            feature = stage(feature, skip)
        logits: Tensor = self.head(feature)
        return logits
