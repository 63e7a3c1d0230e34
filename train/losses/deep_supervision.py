"""Deep supervision: a loss at the decoder's coarser scales too, while a network learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from roadseg.runtime.errors import UsageError
from roadseg.train.checkpoint import AUXILIARY
from roadseg.train.distributed import whole_batch
from roadseg.train.losses.cells import class_shares
from roadseg.train.losses.segmentation_loss import SegmentationLoss
from roadseg.train.networks import Network


class AuxiliaryHead(nn.Module):
    """A 1x1 convolution that gives logits of a decoder stage's feature, in training alone."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, classes, 1)
        self.logits: Tensor | None = None

    def watch(self, stage: nn.Module, _: object, feature: Tensor) -> None:
        """Take a stage's feature (N, channels, h, w): a forward hook of it."""
        if self.training:
            self.logits = self.conv(feature)

    def take(self) -> Tensor:
        """Give the last logits (N, classes, h, w), once."""
        logits, self.logits = self.logits, None
        assert logits is not None, "the network has not run in training mode"
        return logits


class DeepSupervision(nn.Module):
    """A loss plus that of auxiliary heads at the decoder's scales (Lee et al., 2015).

    The heads become a part of the network, so that they are trained, moved and resumed with it;
    checkpoints give the network without them.

    weight: of the auxiliary losses' mean.
    Raises UsageError for a network that names no decoder scales.
    """

    def __init__(
        self, loss: SegmentationLoss, network: Network, classes: int, weight: float
    ) -> None:
        super().__init__()
        self.loss, self.weight = loss, weight
        scales: list[nn.Module] = getattr(network, "decoder_scales", list)()
        if not scales:
            raise UsageError("deep_supervision: this network has no decoder scales to supervise")
        device = next(network.parameters()).device
        channels = _channels(network, scales)
        # Not a submodule of this one: it is the network's.
        self.heads = [AuxiliaryHead(count, classes).to(device) for count in channels]
        network.add_module(AUXILIARY, nn.ModuleList(self.heads))
        for stage, head in zip(scales, self.heads, strict=True):
            stage.register_forward_hook(head.watch)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits (N, classes, H / stride, W / stride), labels (N, H, W) uint8 -> scalar."""
        shares = class_shares(labels, self.loss.labels, self.loss.stride)
        losses = []
        for head in self.heads:
            coarse = whole_batch(head.take())  # as the logits are
            own = avg_pool2d(shares, shares.shape[2] // coarse.shape[2])
            losses.append(self.loss.of_shares(coarse, own))
        return self.loss.of_shares(logits, shares) + self.weight * torch.stack(losses).mean()


@torch.no_grad()
def _channels(network: Network, scales: list[nn.Module]) -> list[int]:
    """Return the channels of the stages' features, from a picture of zeros."""
    found: list[int] = []
    hooks = [
        stage.register_forward_hook(lambda _, __, feature: found.append(feature.shape[1]))
        for stage in scales
    ]
    was_training = network.training
    device = next(network.parameters()).device
    network.eval()(torch.zeros(1, 3, network.multiple, network.multiple, device=device))
    network.train(was_training)
    for hook in hooks:
        hook.remove()
    return found
