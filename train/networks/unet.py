"""The classic U-Net, for binary masks as well as for many classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, cat, nn

from roadseg.runtime.errors import UsageError


def double(channels: int, width: int) -> nn.Sequential:
    """Two 3x3 convolutions with batch norm and ReLU: (N, channels, H, W) -> (N, width, H, W)."""
    layers: list[nn.Module] = []
    for inner in (channels, width):
        conv = nn.Conv2d(inner, width, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """U-Net (Ronneberger et al., 2015) at the input's own resolution.

    As the paper's: max pooling, transposed convolutions, skips concatenated. Unlike it, the
    convolutions are padded, so that logits fit the picture, and have batch norm.

    widths: of the encoder's stages; the bottom is twice as wide as the last.
    """

    stride = 1

    def __init__(self, classes: int, widths: Sequence[int] = (64, 128, 256, 512)) -> None:
        super().__init__()
        if not widths:
            raise UsageError("widths is empty: U-Net needs a stage at least")
        self.multiple = 2 ** len(widths)
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(double(a, b) for a, b in pairwise((3, *widths)))
        self.bottom = double(widths[-1], 2 * widths[-1])
        rising = (2 * widths[-1], *reversed(widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairwise(rising))
        self.fuse = nn.ModuleList(double(2 * width, width) for width in rising[1:])
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), normalised -> logits (N, classes, H, W)."""
        skips: list[Tensor] = []
        feature = image
        for stage in self.down:
            skips.append(stage(feature))
            feature = self.pool(skips[-1])
        feature = self.bottom(feature)
        for up, fuse, skip in zip(self.up, self.fuse, reversed(skips), strict=True):
            feature = fuse(cat([skip, up(feature)], 1))
        logits: Tensor = self.head(feature)
        return logits
