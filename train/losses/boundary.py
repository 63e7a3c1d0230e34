"""A loss of each class's outline, which is most of what thin classes have."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad, relu

from roadseg.train.losses.cells import Cells

LANES = 16  # PyTorch pools so many channels at once on a CPU; 11 take three times as long as 16


def boundary(cells: Cells) -> Tensor:
    """1 - F1 of outlines, one cell of play allowed (Bokhovkin and Burnaev, 2019).

    Mean over classes that have an outline in the batch. An outline is what an erosion takes away.
    Where the paper multiplies an outline with the other's surroundings, here is the smaller of the
    two: the same for whole cells, and right for cells of which a class has a share. Outlines
    towards void are not known and count by as much as all of their surroundings are known.
    """
    with torch.no_grad():
        known = cells.known if cells.known.shape[1] == 1 else _wide(cells.known)
        certain = 1 - _widened(1 - known)
        truth = _outline(_wide(cells.class_shares)) * certain
    guess = _outline(_wide(cells.probabilities)) * certain
    precision = _covered(guess, _widened(truth))
    recall = _covered(truth, _widened(guess))
    f1 = 2 * precision * recall / (precision + recall).clamp(min=1e-6)
    return cells.mean(1 - f1, (truth.sum((0, 2, 3)) > 0).float())


def _wide(maps: Tensor) -> Tensor:
    """Add channels of zeros up to a multiple of LANES, channels last in memory."""
    missing = -maps.shape[1] % LANES
    return pad(maps, (0, 0, 0, 0, 0, missing)).contiguous(memory_format=torch.channels_last)


def _outline(region: Tensor) -> Tensor:
    """Return what an erosion by one cell takes from regions (N, C, h, w)."""
    return region + _widened(-region)


def _widened(maps: Tensor) -> Tensor:
    """Return the largest value of each cell's 3 x 3 surroundings."""
    return max_pool2d(maps, 3, 1, 1)


def _covered(outline: Tensor, surroundings: Tensor) -> Tensor:
    """Return by class the share of an outline that lies in surroundings, (C,)."""
    # What the smaller of the two leaves out: quicker than their minimum, backwards above all.
    outside = relu(outline - surroundings).sum((0, 2, 3))
    whole = outline.sum((0, 2, 3))
    return (whole - outside) / whole.clamp(min=1e-6)
