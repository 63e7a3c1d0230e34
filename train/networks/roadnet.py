"""RoadNet: plain 3x3 convolutions at strides that INT8 units compute fast (docs/roadnet.md)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn.functional import relu

from roadseg.runtime.errors import UsageError
from roadseg.train.networks.reparameterized import RepConv


def convolution(channels: int, width: int, side: int = 1, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU: (N, channels, H, W) -> (N, width, H / stride, W / stride)."""
    conv = nn.Conv2d(channels, width, side, stride, padding=(side - stride) // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


class Context(nn.Module):
    """Add to every position what the whole picture says: its mean, through a 1x1 convolution.

    No batch norm: of a mean there is one value a picture.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1))

    def forward(self, feature: Tensor) -> Tensor:
        """(N, width, h, w) -> the same shape."""
        return relu(feature + self.pool(feature))


class Fuse(nn.Module):
    """Bring a deep feature up to a skip feature of twice its size, add the two and convolve."""

    def __init__(self, deep: int, skip: int, branches: bool) -> None:
        super().__init__()
        self.deep = convolution(deep, skip)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.block = RepConv(skip, skip, branches=branches)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """(N, deep, h, w) and (N, skip, 2h, 2w) -> (N, skip, 2h, 2w)."""
        fused: Tensor = self.block(self.up(self.deep(deep)) + skip)
        return fused


class RoadNet(nn.Module):
    """Encoder to stride 32, context, and a decoder back to stride 8.

    widths: at strides 4, 8, 16 and 32.
    blocks: 3x3 convolutions at strides 8 and 16, behind the one that halves the size.
    dilations: of the 3x3 convolutions at stride 32.
    branches: False for the network as it is exported, whose branches are merged.
    """

    stride = 8
    multiple = 32

    def __init__(
        self,
        classes: int,
        widths: Sequence[int] = (32, 48, 96, 160),
        blocks: Sequence[int] = (1, 1),
        dilations: Sequence[int] = (1, 2, 4),
        branches: bool = True,
    ) -> None:
        super().__init__()
        if len(widths) != 4 or len(blocks) != 2:
            raise UsageError(
                f"widths {list(widths)}, blocks {list(blocks)}: RoadNet has 4 widths and 2 blocks"
            )
        conv = partial(RepConv, branches=branches)
        stem, fine, middle, deep = widths
        self.stem = convolution(3, stem, side=6, stride=4)
        self.stage8 = nn.Sequential(
            conv(stem, fine, stride=2), *(conv(fine, fine) for _ in range(blocks[0]))
        )
        self.stage16 = nn.Sequential(
            conv(fine, middle, stride=2), *(conv(middle, middle) for _ in range(blocks[1]))
        )
        self.stage32 = nn.Sequential(
            conv(middle, deep, stride=2), *(conv(deep, deep, dilation=rate) for rate in dilations)
        )
        self.context = Context(deep)
        self.fuse16 = Fuse(deep, middle, branches)
        self.fuse8 = Fuse(middle, fine, branches)
        self.head = nn.Conv2d(fine, classes, 1)

    def decoder_scales(self) -> list[nn.Module]:
        """Return what gives the decoder's features at strides coarser than the logits'."""
        return [self.context, self.fuse16]

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), normalised -> logits (N, classes, H / 8, W / 8)."""
        fine = self.stage8(self.stem(image))
        middle = self.stage16(fine)
        deep = self.context(self.stage32(middle))
        logits: Tensor = self.head(self.fuse8(self.fuse16(deep, middle), fine))
        return logits
