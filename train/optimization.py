"""The optimizer, its learning rate over the run, and the moving average of weights."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from roadseg.train.networks import Network
from roadseg.train.options import TrainOptions

# Of a one-cycle schedule: the share of the run in which the rate rises, its start and its end.
ONE_CYCLE_RISE, ONE_CYCLE_START, ONE_CYCLE_END = 0.3, 1 / 25, 1 / 25e4


def build_optimizer(network: Network, options: TrainOptions) -> torch.optim.Optimizer:
    """Return the optimizer: four groups, backbone or decoder, with weight decay or without."""
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        key = name.startswith("backbone."), parameter.ndim > 1
        groups.setdefault(key, []).append(parameter)
    described = [
        {
            "params": parameters,
            "peak": options.lr * (options.backbone_lr if in_backbone else 1.0),
            "weight_decay": options.weight_decay if decays else 0.0,
        }
        for (in_backbone, decays), parameters in groups.items()
    ]
    if options.optimizer == "sgd":
        return torch.optim.SGD(described, lr=options.lr, momentum=0.9, nesterov=True)
    kind = torch.optim.Adam if options.optimizer == "adam" else torch.optim.AdamW
    return kind(described, lr=options.lr, fused=True)


def lr_factor(schedule: str, progress: float, warmup: float) -> float:
    """Return the share of the peak learning rate.

    progress: of the run, 0 to 1.
    warmup: of the warm-up, 0 to 1 and more; onecycle has a warm-up of its own instead.
    """
    left = max(0.0, 1.0 - progress)
    if schedule == "onecycle":
        return _one_cycle(1.0 - left)
    anneal = left**0.9 if schedule == "poly" else _cosine(1.0, 0.0, 1.0 - left)
    return min(1.0, warmup) * anneal


def _cosine(start: float, end: float, share: float) -> float:
    """Return the value on half a cosine from start to end."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


def _one_cycle(progress: float) -> float:
    """Return the factor of Smith and Topin, "Super-Convergence", 2018: up, then far down.

    Its shape is that of PyTorch's OneCycleLR; momentum stays as it is.
    """
    if progress < ONE_CYCLE_RISE:
        return _cosine(ONE_CYCLE_START, 1.0, progress / ONE_CYCLE_RISE)
    return _cosine(1.0, ONE_CYCLE_END, (progress - ONE_CYCLE_RISE) / (1 - ONE_CYCLE_RISE))


def set_lr(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to a share of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


class MovingAverage:
    """Exponential moving average of a network's parameters and batch-norm statistics.

    The decay grows with the number of steps, so that the first steps are forgotten early.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._average = self._floats(self.network)

    @staticmethod
    def _floats(network: nn.Module) -> list[Tensor]:
        return [value for value in network.state_dict().values() if value.is_floating_point()]

    @torch.no_grad()
    def update(self, network: Network, step: int) -> None:
        """Move towards the network; step counts from 1."""
        decay = min(self.decay, step / (step + 10)) if self.decay else 0.0
        torch._foreach_lerp_(self._average, self._floats(network), 1 - decay)
