"""Batch norms whose statistics are the whole batch's when several processes share it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from roadseg.train.distributed import whole_sum, world_size
from roadseg.train.networks import Network


def sync_norms(network: Network, device: torch.device) -> None:
    """Let a network's batch norms use the whole batch's statistics, in place.

    Their parameters and names stay. On a GPU these are PyTorch's SyncBatchNorm, which knows no
    CPU; there they are SyncedNorm.
    """
    if world_size() == 1:
        return
    if device.type == "cuda":
        from timm.layers.norm_act import convert_sync_batchnorm

        convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return
    for name, norm in list(network.named_modules()):
        if isinstance(norm, _BatchNorm):
            network.set_submodule(name, SyncedNorm(norm))


class SyncedNorm(nn.BatchNorm2d):
    """A batch norm over all processes, each of which has as many images; then timm's activation.

    norm: whose parameters and statistics it takes over.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self.act = getattr(norm, "act", nn.Identity())
        self.drop = getattr(norm, "drop", nn.Identity())
        self.train(norm.training)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h, w)."""
        normed = self._whole_norm(input) if self.training else super().forward(input)
        activated: Tensor = self.act(self.drop(normed))
        return activated

    def _whole_norm(self, input: Tensor) -> Tensor:
        values = input.to(self.weight.dtype)  # of mixed precision, as PyTorch's own norm does
        mean = whole_sum(values.mean((0, 2, 3))) / world_size()
        centred = values - mean.reshape(1, -1, 1, 1)
        variance = whole_sum(centred.square().mean((0, 2, 3))) / world_size()
        self._follow(mean.detach(), variance.detach(), world_size() * input[:, 0].numel())
        scale = self.weight * (variance + self.eps).rsqrt()
        normed = centred * scale.reshape(1, -1, 1, 1) + self.bias.reshape(1, -1, 1, 1)
        return normed.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics; their variance is the unbiased one."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)
