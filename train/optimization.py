"""The optimizer, its learning rate over the run, and the moving average of weights."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from roadseg.train.networks import Network
from roadseg.train.options import TrainOptions


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
    return torch.optim.AdamW(described, lr=options.lr, fused=True)


def lr_factor(schedule: str, progress: float, warmup: float) -> float:
    """Return the share of the peak learning rate.

    progress: of the run, 0 to 1.
    warmup: of the warm-up, 0 to 1 and more.
    """
    left = max(0.0, 1.0 - progress)
    anneal = left**0.9 if schedule == "poly" else 0.5 * (1 + math.cos(math.pi * (1 - left)))
    return min(1.0, warmup) * anneal


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
