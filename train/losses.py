"""Cross-entropy and Dice at the logits' own stride."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn


def class_shares(labels: Tensor, classes: int, stride: int) -> Tensor:
    """Return how much of each stride x stride cell is of each class.

    labels: (N, H, W) uint8, 255 and other ids outside of the classes are void.
    Returns (N, classes, H / stride, W / stride) float32; what is missing to 1 is void. The
    cross-entropy with these shares equals the one at full size of logits repeated stride times,
    so that thin classes count with all their pixels.
    """
    ids = torch.arange(classes, dtype=torch.uint8, device=labels.device).reshape(1, -1, 1, 1)
    maps = (labels[:, None] == ids).view(torch.uint8)
    # Sums of bytes: a third of the time of pooling floats.
    rows = reduce(torch.add, [maps[:, :, y::stride] for y in range(stride)]).short()
    cells = reduce(torch.add, [rows[..., x::stride] for x in range(stride)])
    return cells.float() / stride**2


class SegmentationLoss(nn.Module):
    """Cross-entropy plus Dice (Milletari et al., 2016), void left out.

    A label that stands for several classes (a group) asks for the sum of their probabilities: a
    data set that does not tell two classes apart punishes neither.

    dice: weight of the Dice loss.
    label_weights: (labels,) of the cross-entropy, None for all 1.
    groups: (groups, classes) bool, the classes of each label from `classes` on.
    """

    def __init__(
        self,
        classes: int,
        stride: int,
        dice: float = 0.5,
        label_weights: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.classes, self.stride, self.dice = classes, stride, dice
        groups = torch.zeros(0, classes, dtype=torch.bool) if groups is None else groups
        self.members = [row.nonzero()[:, 0].tolist() for row in groups]
        self.labels = classes + len(groups)
        weights = torch.ones(self.labels) if label_weights is None else label_weights
        self.register_buffer("weights", weights.float().reshape(1, self.labels, 1, 1))
        # (labels, classes): a pixel of a label tells whether it is of a class, unless the class is
        # one of the label's group.
        told = torch.cat([torch.ones(classes, classes), 1 - groups.float()])
        self.register_buffer("told", told)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits (N, classes, H / stride, W / stride), labels (N, H, W) uint8 -> scalar."""
        shares = class_shares(labels, self.labels, self.stride)
        log_p = logits.float().log_softmax(1)
        weighted = shares * self.get_buffer("weights")
        entropy = -(weighted * self.of_labels(log_p)).sum() / weighted.sum().clamp(min=1.0)
        if not self.dice:
            return entropy
        if not self.members:
            seen = shares.sum(1, keepdim=True)
        else:
            seen = torch.einsum("nlhw,lc->nchw", shares, self.get_buffer("told"))
        return entropy + self.dice * dice_loss(log_p.exp(), shares[:, : self.classes], seen)

    def of_labels(self, log_p: Tensor) -> Tensor:
        """Log-probabilities of classes (N, C, h, w) -> of labels (N, labels, h, w)."""
        if not self.members:
            return log_p
        groups = [log_p[:, members].logsumexp(1, keepdim=True) for members in self.members]
        return torch.cat([log_p, *groups], 1)


def dice_loss(probabilities: Tensor, shares: Tensor, seen: Tensor) -> Tensor:
    """1 - Dice of (N, C, h, w) and class shares, mean over classes that occur in the batch.

    seen: (N, C or 1, h, w), the share of each cell of which it is known whether it is of a class.
    """
    both = (probabilities * shares).sum((0, 2, 3))
    either = (probabilities * seen).sum((0, 2, 3)) + shares.sum((0, 2, 3))
    occurs = (shares.sum((0, 2, 3)) > 0).float()
    dice = 2 * both / either.clamp(min=1e-6)
    return ((1 - dice) * occurs).sum() / occurs.sum().clamp(min=1.0)


def sqrt_weights(shares: Tensor) -> Tensor:
    """Return class weights 1 / sqrt(share), mean 1; no share is less than 1e-5."""
    weights = shares.clamp(min=1e-5).rsqrt()
    return weights / weights.mean()


def balanced_weights(shares: Tensor) -> Tensor:
    """Return class weights 1 / ln(1.02 + share), mean 1 (ENet, Paszke et al., 2016)."""
    weights = 1 / torch.log(1.02 + shares)
    return weights / weights.mean()
