"""Scales of batch norms moved into the convolutions before them, as an export folds them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from roadseg.runtime.errors import UsageError
from roadseg.train.networks import Network
from roadseg.train.networks.artifact_weights import Convolution, layers_with_norms, set_norm

Layer = tuple[Convolution, nn.BatchNorm2d]


def spreads(network: Network) -> list[Tensor]:
    """Return the variance of what each norm gives, in training, by its scale: (C,) each."""
    return [(norm.weight.detach().square() - norm.eps).clamp(min=0) for _, norm in layers(network)]


@torch.no_grad()
def fold_scales(network: Network, variances: list[Tensor]) -> None:
    """Multiply each convolution by its norm's scale; the network computes what it did.

    A norm undoes any factor of the weights before it, so two networks that compute the same may
    have a mean that does not. With their scales in the weights and the same variances they have.

    variances: that each norm gets, (C,) each; they change what a training does, not the outputs.
    Raises UsageError where a norm does not follow a convolution.
    """
    for (conv, norm), variance in zip(layers(network), variances, strict=True):
        assert norm.running_mean is not None and norm.running_var is not None
        statistics = norm.running_mean, norm.running_var, norm.eps
        transpose = isinstance(conv, nn.ConvTranspose2d)
        weight, bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, *statistics, norm.weight, norm.bias, transpose
        )
        conv.weight.copy_(weight)
        if conv.bias is not None:
            conv.bias.zero_()
        set_norm(norm, norm.bias - bias, variance, norm.bias)


def layers(network: Network) -> list[Layer]:
    """Return each norm with the convolution that it follows."""
    found = [(conv, norm) for conv, norm in layers_with_norms(network) if norm is not None]
    if len(found) != sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        raise UsageError("a norm of this network follows no convolution: leave --folded out")
    return found
