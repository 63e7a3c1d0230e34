"""Distillation (Hinton et al., 2015): beside its labels, a network learns what teachers see.

A teacher tells more than a label: how sure it is, and what else a pixel could be. It also tells it
where there is no label.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, kl_div

from roadseg.train.pseudo_labels import PseudoLabels
from roadseg.train.teachers import Teacher


class Distillation:
    """The loss towards what teachers see in the same crops.

    The teachers' probabilities are averaged, each softened by the temperature; the loss is the
    Kullback-Leibler divergence of the student's from them, the mean over all pixels of the
    student's logits, void ones too. Frames without labels can also get pseudo-labels.

    weight: of the loss beside that of the labels.
    temperature: that logits are divided by; the loss is multiplied by its square, which keeps its
        gradient's size.
    pseudo: the rule of pseudo-labels; None for none.
    """

    def __init__(
        self,
        teachers: Sequence[Teacher],
        weight: float = 1.0,
        temperature: float = 1.0,
        pseudo: PseudoLabels | None = None,
    ) -> None:
        self.teachers, self.weight, self.temperature = teachers, weight, temperature
        self.pseudo = pseudo

    def see(self, images: Tensor) -> list[Tensor]:
        """Return each teacher's logits (N, classes, h, w), of its own stride."""
        return [teacher.logits(images).float() for teacher in self.teachers]

    def relabel(self, labels: Tensor, seen: Sequence[Tensor]) -> Tensor:
        """Return labels (N, H, W) with pseudo-labels where there is a rule for them."""
        if not self.pseudo:
            return labels
        return self.pseudo.apply(labels, mean_probabilities(seen, like=seen[0]))

    def loss(self, logits: Tensor, seen: Sequence[Tensor]) -> Tensor:
        """Student's logits (N, classes, h, w), teachers' -> scalar, weighted."""
        if not self.weight:
            return logits.new_zeros(())
        targets = mean_probabilities(seen, logits, self.temperature)
        log_p = (logits.float() / self.temperature).log_softmax(1)
        divergence = kl_div(log_p, targets, reduction="none").sum(1).mean()
        return self.weight * self.temperature**2 * divergence


@torch.no_grad()
def mean_probabilities(seen: Sequence[Tensor], like: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the mean of several logits' probabilities, of the height and width of `like`."""
    size = like.shape[2], like.shape[3]
    return torch.stack([resize((each / temperature).softmax(1), size) for each in seen]).mean(0)


def resize(probabilities: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring (N, classes, h, w) to another stride: means of cells, or bilinear to a finer one.

    The mean over a cell is what the student's labels are: each class's share of the cell.
    """
    if tuple(probabilities.shape[2:]) == size:
        return probabilities
    if probabilities.shape[2] > size[0]:
        return interpolate(probabilities, size, mode="area")
    return interpolate(probabilities, size, mode="bilinear", align_corners=False)
