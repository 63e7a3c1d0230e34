"""What a batch's logits are held against: how much of each cell is of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


def class_shares(labels: Tensor, classes: int, stride: int) -> Tensor:
    """Return how much of each stride x stride cell is of each class.

    labels: (N, H, W) uint8, 255 and other ids outside of the classes are void.
    Returns (N, classes, H / stride, W / stride) float32; what is missing to 1 is void. The
    cross-entropy with these shares equals the one at full size of logits repeated stride times,
    so that thin classes count with all their pixels.
    """
    n, height, width = labels.shape
    h, w = height // stride, width // stride
    # One picture for each place in a cell: maps of bytes at the cells' size stay in the cache.
    places = labels.reshape(n, h, stride, w, stride).permute(2, 4, 0, 1, 3)
    places = places.reshape(stride**2, n, 1, h, w)
    ids = torch.arange(classes, dtype=torch.uint8, device=labels.device).reshape(1, -1, 1, 1)
    counts = torch.zeros((n, classes, h, w), dtype=torch.int16, device=labels.device)
    for place in places:
        counts += (place == ids).view(torch.uint8)
    return counts.float() / stride**2


@dataclass(frozen=True)
class Cells:
    """The cells of a batch: logits, and the shares of labels that they should give.

    Labels are the classes, then groups of classes: a pixel of a group is of one of its classes.

    logits: (N, classes, h, w) float32.
    shares: (N, labels, h, w); what is missing to 1 is void.
    weights: (1, labels, 1, 1), of labels, for the losses that weigh them.
    told: (labels, classes), 1 where a pixel of the label tells whether it is of the class.
    members: the classes of each group.
    """

    logits: Tensor
    shares: Tensor
    weights: Tensor
    told: Tensor
    members: Sequence[Sequence[int]] = ()

    @cached_property
    def log_p(self) -> Tensor:
        """Log-probabilities of classes, (N, classes, h, w)."""
        return self.logits.log_softmax(1)

    @cached_property
    def probabilities(self) -> Tensor:
        """Probabilities of classes, (N, classes, h, w)."""
        return self.log_p.exp()

    @cached_property
    def label_log_p(self) -> Tensor:
        """Log-probabilities of labels, (N, labels, h, w): of a group the sum over its classes."""
        if not self.members:
            return self.log_p
        groups = [self.log_p[:, members].logsumexp(1, keepdim=True) for members in self.members]
        return torch.cat([self.log_p, *groups], 1)

    @property
    def class_shares(self) -> Tensor:
        """The shares of what is surely of a class, (N, classes, h, w)."""
        return self.shares[:, : self.logits.shape[1]]

    @cached_property
    def known(self) -> Tensor:
        """The share of a cell of which it is known whether it is of a class.

        Void is not, and neither is a group for its own classes. (N, classes or 1, h, w).
        """
        if not self.members:
            return self.shares.sum(1, keepdim=True)
        return torch.einsum("nlhw,lc->nchw", self.shares, self.told)

    @cached_property
    def occurring(self) -> Tensor:
        """1 for a class that occurs in the batch, else 0, (classes,) float32."""
        return (self.class_shares.sum((0, 2, 3)) > 0).float()

    def mean(self, losses: Tensor, of: Tensor | None = None) -> Tensor:
        """Return the mean of (classes,) over those that occur, or that `of` names; 0 over none."""
        chosen = self.occurring if of is None else of
        return (losses * chosen).sum() / chosen.sum().clamp(min=1.0)
