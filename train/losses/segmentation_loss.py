"""The weighted sum of losses that a run asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from roadseg.train.loss_terms import DEFAULT_LOSS, parse_loss
from roadseg.train.losses.boundary import boundary
from roadseg.train.losses.cells import Cells, class_shares
from roadseg.train.losses.entropy import bce, cross_entropy, focal, ohem
from roadseg.train.losses.overlap import dice, lovasz

TERMS: Mapping[str, Callable[[Cells], Tensor]] = {
    "bce": bce,
    "boundary": boundary,
    "cross-entropy": cross_entropy,
    "dice": dice,
    "focal": focal,
    "lovasz": lovasz,
    "ohem": ohem,
}


class SegmentationLoss(nn.Module):
    """A sum of losses, void left out.

    A label that stands for several classes (a group) asks for one of them: a data set that does not
    tell two classes apart punishes neither.

    terms: such as "cross-entropy+0.5*dice".
    label_weights: (labels,) of cross-entropy, focal and ohem, None for all 1.
    groups: (groups, classes) bool, the classes of each label from `classes` on.
    """

    def __init__(
        self,
        classes: int,
        stride: int,
        terms: str = DEFAULT_LOSS,
        label_weights: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.stride, self.terms = stride, parse_loss(terms)
        groups = torch.zeros(0, classes, dtype=torch.bool) if groups is None else groups
        self.members = [row.nonzero()[:, 0].tolist() for row in groups]
        self.labels = classes + len(groups)
        weights = torch.ones(self.labels) if label_weights is None else label_weights
        self.register_buffer("weights", weights.float().reshape(1, self.labels, 1, 1))
        told = torch.cat([torch.ones(classes, classes), 1 - groups.float()])
        self.register_buffer("told", told)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits (N, classes, H / stride, W / stride), labels (N, H, W) uint8 -> scalar."""
        return self.of_shares(logits, class_shares(labels, self.labels, self.stride))

    def of_shares(self, logits: Tensor, shares: Tensor) -> Tensor:
        """logits (N, classes, h, w), shares of labels (N, labels, h, w) -> scalar."""
        weights, told = self.get_buffer("weights"), self.get_buffer("told")
        cells = Cells(logits.float(), shares, weights, told, self.members)
        losses = [weight * TERMS[name](cells) for name, weight in self.terms.items()]
        return torch.stack(losses).sum()
