"""Losses of each class: how its region overlaps the true one."""

from __future__ import annotations

import torch
from torch import Tensor

from roadseg.train.losses.cells import Cells

LEVELS = 1024  # of the errors that Lovász orders


def dice(cells: Cells) -> Tensor:
    """1 - Dice (Milletari et al., 2016), mean over classes that occur in the batch."""
    p, shares = cells.probabilities, cells.class_shares
    both = (p * shares).sum((0, 2, 3))
    either = (p * cells.known).sum((0, 2, 3)) + shares.sum((0, 2, 3))
    return cells.mean(1 - 2 * both / either.clamp(min=1e-6))


def lovasz(cells: Cells) -> Tensor:
    """Lovász-Softmax, the convex extension of 1 - IoU (Berman et al., 2018), over the batch.

    Mean over classes that occur. A cell of which a share is of a class stands for two errors, 1 - p
    with that share and p with the rest, so the loss is that of all pixels. Errors are put in order
    by 1024 levels instead of being sorted, which changes the loss by less than 1/1024 and takes a
    fraction of the time.
    """
    p, shares = cells.probabilities, cells.class_shares
    with torch.no_grad():
        missed, wrong = _slopes(p, shares, cells.known - shares)
        slope, offset = wrong - missed, missed.sum((0, 2, 3))
    return cells.mean(offset + (slope * p).sum((0, 2, 3)))


def _slopes(p: Tensor, shares: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Return what 1 - p of each cell's share, and p of its rest, count in a class's loss.

    p, shares, rest: (N, C, h, w); the slopes have that shape too. In the order of errors, 1 - IoU
    grows by 1 / union with each pixel missed, and by intersection / union^2 with each wrong one.
    """
    classes = p.shape[1]
    first = LEVELS * torch.arange(classes, device=p.device).reshape(1, -1, 1, 1)
    places = ((p * LEVELS).long().clamp_(max=LEVELS - 1) + first).flatten()

    def count(weights: Tensor) -> Tensor:
        found = torch.bincount(places, weights.flatten(), classes * LEVELS)
        return found.reshape(classes, LEVELS).double()

    # From the largest error down: 1 - p is largest at p = 0, p at 1.
    inside, outside = count(shares), count(rest).flip(1)
    total = inside.sum(1, keepdim=True)
    left = total - inside.cumsum(1) + inside
    union = (total + outside.cumsum(1)).clamp(min=1e-6)
    missed = 1 / union
    wrong = left / (union * (union - outside).clamp(min=1e-6))
    by_place = torch.stack([missed, wrong.flip(1)]).float().flatten(1)
    missed, wrong = (part[places].reshape(p.shape) for part in by_place)
    return missed * shares, wrong * rest
