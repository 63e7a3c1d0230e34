"""Class weights from how often a class occurs."""

from __future__ import annotations

import torch
from torch import Tensor


def sqrt_weights(shares: Tensor) -> Tensor:
    """Return class weights 1 / sqrt(share), mean 1; no share is less than 1e-5."""
    weights = shares.clamp(min=1e-5).rsqrt()
    return weights / weights.mean()


def balanced_weights(shares: Tensor) -> Tensor:
    """Return class weights 1 / ln(1.02 + share), mean 1 (ENet, Paszke et al., 2016)."""
    weights = 1 / torch.log(1.02 + shares)
    return weights / weights.mean()
