"""Logits and labels that the tests of losses share."""

from __future__ import annotations

import torch
from torch import Tensor

from roadseg.train.loss_terms import LOSSES

CLASSES = 3
# The boundary loss is refused alone: it is taken beside another.
ALONE = [name if name != "boundary" else "boundary+1e-9*dice" for name in LOSSES]
GROUPS = torch.tensor([[False, True, True]])
EITHER = CLASSES  # the label of a pixel that is of class 1 or 2
DEFAULT = "cross-entropy+0.5*dice"


def example(stride: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    logits = torch.randn(2, CLASSES, 6, 8, requires_grad=True)
    labels = torch.randint(0, CLASSES, (2, 6 * stride, 8 * stride), dtype=torch.uint8)
    labels[:, :stride, : 3 * stride] = 255
    return logits, labels
