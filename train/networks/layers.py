"""The blocks that the decoders are made of: convolution, batch norm, ReLU6.

ReLU6 keeps activations in a range that INT8 covers well (MobileNets, Howard et al., 2017).
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def pointwise(channels: int, width: int) -> nn.Sequential:
    """1x1 convolution, batch norm, ReLU6: (N, channels, H, W) -> (N, width, H, W)."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6(inplace=True)
    )


def depthwise(channels: int, dilation: int = 1) -> nn.Sequential:
    """3x3 depthwise convolution, batch norm, ReLU6; keeps the shape."""
    conv = nn.Conv2d(
        channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, bias=False
    )
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU6(inplace=True))


def separable(channels: int, width: int, dilation: int = 1) -> nn.Sequential:
    """Depthwise-separable block: 3x3 depthwise, then pointwise to `width`."""
    return nn.Sequential(depthwise(channels, dilation), pointwise(channels, width))


def separables(channels: int, width: int, count: int) -> nn.Sequential:
    """`count` depthwise-separable blocks, the first from `channels` to `width`."""
    widths = [channels] + [width] * count
    return nn.Sequential(*(separable(a, b) for a, b in pairwise(widths)))


def upsample(factor: int) -> nn.Sequential:
    """Bilinear upsampling by a power of two, in steps of 2: the only ones that a DLA takes."""
    steps = factor.bit_length() - 1
    return nn.Sequential(*(nn.Upsample(scale_factor=2, mode="bilinear") for _ in range(steps)))
