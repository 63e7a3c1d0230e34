"""Distillation (Hinton et al., 2015): beside its labels, a network learns what teachers see.

A teacher tells more than a label: how sure it is, and what else a pixel could be. It also tells it
where there is no label.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, kl_div

from roadseg.train.teachers import Teacher


class Distillation:
    """The loss towards what teachers see in the same crops.

    The teachers' probabilities are averaged, each softened by the temperature; the loss is the
    Kullback-Leibler divergence of the student's from them, the mean over all pixels of the
    student's logits, void ones too.

    weight: of the loss beside that of the labels.
    temperature: that logits are divided by; the loss is multiplied by its square, which keeps its
        gradient's size.
    """

    def __init__(
        self, teachers: Sequence[Teacher], weight: float = 1.0, temperature: float = 1.0
    ) -> None:
        self.teachers, self.weight, self.temperature = teachers, weight, temperature

    def __call__(self, images: Tensor, logits: Tensor) -> Tensor:
        """images (N, H, W, 3) uint8, student's logits (N, classes, h, w) -> scalar."""
        targets = self.targets(images, (logits.shape[2], logits.shape[3]))
        log_p = (logits.float() / self.temperature).log_softmax(1)
        divergence = kl_div(log_p, targets, reduction="none").sum(1).mean()
        return self.weight * self.temperature**2 * divergence

    @torch.no_grad()
    def targets(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the teachers' mean probabilities (N, classes, h, w) at the size (h, w)."""
        seen = [teacher.logits(images).float() / self.temperature for teacher in self.teachers]
        return torch.stack([resize(each.softmax(1), size) for each in seen]).mean(0)


def resize(probabilities: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring (N, classes, h, w) to another stride: means of cells, or bilinear to a finer one.

    The mean over a cell is what the student's labels are: each class's share of the cell.
    """
    if tuple(probabilities.shape[2:]) == size:
        return probabilities
    if probabilities.shape[2] > size[0]:
        return interpolate(probabilities, size, mode="area")
    return interpolate(probabilities, size, mode="bilinear", align_corners=False)
