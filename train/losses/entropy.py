"""Losses of each pixel: what the probability of its label is."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from roadseg.train.losses.cells import Cells

GAMMA = 2.0  # of the focal loss, as in its paper
HARD = 0.7  # a pixel whose label is less probable is hard
KEPT = 1 / 16  # of the pixels, at least: the hardest
TINY = 1e-30


def cross_entropy(cells: Cells) -> Tensor:
    """Weighted cross-entropy, mean over pixels."""
    weighted = cells.shares * cells.weights
    return -(weighted * cells.label_log_p).sum() / weighted.sum().clamp(min=1.0)


def focal(cells: Cells) -> Tensor:
    """Cross-entropy times (1 - p)^2, so that easy pixels count little (Lin et al., 2017)."""
    weighted = cells.shares * cells.weights
    log_p = cells.label_log_p
    # A group's sum may round to more than 1.
    missing = (1 - log_p.exp()).clamp(min=0.0)
    return -(weighted * missing**GAMMA * log_p).sum() / weighted.sum().clamp(min=1.0)


def ohem(cells: Cells) -> Tensor:
    """Cross-entropy of the hard pixels (online hard example mining, Shrivastava et al., 2016).

    Those are hard whose label has less than HARD probability, and the hardest KEPT in any case.
    """
    places = cells.shares.nonzero(as_tuple=True)
    shares, log_p = cells.shares[places], cells.label_log_p[places]
    weights = cells.weights.flatten()[places[1]]
    kept = _hard(log_p.detach(), shares)
    weighted = shares * weights * kept
    return -(weighted * log_p).sum() / weighted.sum().clamp(min=1.0)


def _hard(log_p: Tensor, shares: Tensor) -> Tensor:
    """Return which pixels are hard, (entries,) bool; log_p and shares are (entries,)."""
    hard = log_p.exp() < HARD
    least = KEPT * shares.sum()
    if shares[hard].sum() >= least:
        return hard
    order = log_p.argsort()
    before = shares[order].cumsum(0) - shares[order]
    kept = torch.zeros_like(hard)
    kept[order] = before < least
    return kept


def bce(cells: Cells) -> Tensor:
    """Binary cross-entropy of each class against the rest, mean over pixels and classes.

    A pixel of a group tells that it is of none of the other classes, and of at least one of its
    own: 1 less the product of their chances not to be.
    """
    logits, known = cells.logits, cells.known
    # known * BCE = known * softplus(x) - share * x, of which nothing is left at void.
    losses = (known * softplus(logits) - cells.class_shares * logits).sum()
    for place, members in enumerate(cells.members, logits.shape[1]):
        none = logsigmoid(-logits[:, members]).sum(1)
        some = (-torch.expm1(none)).clamp(min=TINY).log()
        losses = losses - (cells.shares[:, place] * some).sum()
    count = known.sum() * (logits.shape[1] if known.shape[1] == 1 else 1)
    if cells.members:
        count = count + cells.shares[:, logits.shape[1] :].sum()
    return losses / count.clamp(min=1.0)
