"""DeepLabV3+ with depthwise-separable convolutions, for small devices."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, cat, nn
from torch.nn.functional import relu6

from roadseg.runtime.errors import UsageError
from roadseg.train.networks.backbone import Backbone
from roadseg.train.networks.layers import pointwise, separable, separables, upsample


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., 2017), separable branches.

    The image-pooling branch is not resized and concatenated: its share of the projection is a
    vector that is added to every position, which is the same sum without a Resize.
    """

    def __init__(self, channels: int, width: int, rates: Sequence[int]) -> None:
        super().__init__()
        branches = [pointwise(channels, width)]
        branches += [separable(channels, width, rate) for rate in rates]
        self.branches = nn.ModuleList(branches)
        self.project = nn.Sequential(
            nn.Conv2d(width * len(branches), width, 1, bias=False), nn.BatchNorm2d(width)
        )
        self.pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, width, 1),
            nn.ReLU6(inplace=True),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, feature: Tensor) -> Tensor:
        """(N, channels, h, w) -> (N, width, h, w)."""
        local = self.project(cat([branch(feature) for branch in self.branches], 1))
        return relu6(local + self.pool(feature))


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+ (Chen et al., 2018) over a mobile backbone.

    aspp_width, low_width, width: of the ASPP, the low-level feature and the decoder.
    rates: atrous rates of the ASPP's 3x3 branches, made for features of stride 16.
    blocks: depthwise-separable blocks of the decoder.
    stride: of the low-level feature and of the logits.
    """

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        stride: int = 4,
        aspp_width: int = 128,
        low_width: int = 32,
        width: int = 128,
        rates: Sequence[int] = (6, 12, 18),
        blocks: int = 2,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.stride = stride
        self.multiple = backbone.strides[-1]
        if stride not in backbone.strides[:-1]:
            known = ", ".join(map(str, backbone.strides[:-1]))
            raise UsageError(f"no low-level feature of stride {stride}: known are {known}")
        self.low_index = backbone.strides.index(stride)
        self.aspp = ASPP(backbone.channels[-1], aspp_width, rates)
        self.up = upsample(self.multiple // stride)
        self.low = pointwise(backbone.channels[self.low_index], low_width)
        self.decoder = separables(aspp_width + low_width, width, blocks)
        self.head = nn.Conv2d(width if blocks else aspp_width + low_width, classes, 1)

    def decoder_scales(self) -> list[nn.Module]:
        """Return what gives the decoder's feature at a stride coarser than the logits'."""
        return [self.aspp]

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), normalised -> logits (N, classes, H / stride, W / stride)."""
        features = self.backbone(image)
        context = self.up(self.aspp(features[-1]))
        detail = self.low(features[self.low_index])
        logits: Tensor = self.head(self.decoder(cat([context, detail], 1)))
        return logits
