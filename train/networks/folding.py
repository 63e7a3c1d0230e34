"""Scales of batch norms moved into the convolutions before them, as an export folds them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from roadseg.runtime.errors import UsageError
from roadseg.train.networks import Network
from roadseg.train.networks.artifact_weights import layers_with_norms, set_norm

Layer = tuple[nn.Conv2d, nn.BatchNorm2d]


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
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        conv.weight.mul_(scale[:, None, None, None])
        if conv.bias is not None:
            conv.bias.mul_(scale)
        set_norm(norm, norm.running_mean * scale, variance, norm.bias.clone())


def layers(network: Network) -> list[Layer]:
    """Return each norm with the convolution that it follows."""
    found = [
        (conv, norm)
        for conv, norm in layers_with_norms(network)
        if norm is not None and isinstance(conv, nn.Conv2d)
    ]
    if len(found) != sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        raise UsageError("a norm of this network follows no plain convolution: leave --folded out")
    return found
