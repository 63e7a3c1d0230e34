"""Structured pruning: whole channels go, so that what is left is a smaller dense network.

Channels that depend on each other (a depthwise convolution and those around it, all ends of an
additive skip) go together: torch-pruning (Fang et al., "DepGraph: Towards Any Structural Pruning",
CVPR 2023) finds these groups. A group's channels are ranked by the L1 norm of their weights (Li et
al., "Pruning Filters for Efficient ConvNets", ICLR 2017), and every group loses the same share.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from roadseg.runtime.errors import MissingExtra, UsageError
from roadseg.train.networks import Network
from roadseg.train.networks.pruned import changed_shapes

STEP = 8  # widths stay multiples of this, which vector units compute at a time


def prune_network(network: Network, share: float, config: dict[str, Any]) -> dict[str, Any]:
    """Remove a share of all channels but the logits', in place; return the new config.

    Widths are rounded to multiples of STEP.

    network: with its trained weights, in float.
    Raises UsageError when no channel goes, MissingExtra without torch-pruning.
    """
    before = copy.deepcopy(network)
    for group in channel_pruner(network, share).step(interactive=True):
        group.prune()
    shapes = changed_shapes(before, network)
    if not shapes:
        raise UsageError(f"prune {share}: widths are multiples of {STEP}, so nothing is removed")
    return config | {"pruned": dict(config.get("pruned", {})) | shapes}


def _ratios(network: Network, share: float) -> dict[nn.Module, float]:
    """Return the share that each convolution loses, so that its width is a multiple of STEP."""
    ratios: dict[nn.Module, float] = {}
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            width = module.out_channels
            left = max(STEP, STEP * round(width * (1 - share) / STEP))
            # Half a channel more, as torch-pruning cuts off what follows the point.
            ratios[module] = 1 - (left + 0.5) / width if left < width else 0.0
    return ratios


def channel_pruner(network: Network, share: float) -> Any:
    """Return torch-pruning's pruner of a network."""
    try:
        import torch_pruning
    except ModuleNotFoundError:
        raise MissingExtra("torch_pruning", "train", "--prune") from None
    side = 2 * network.multiple
    image = torch.zeros(1, 3, side, side, device=next(network.parameters()).device)
    return torch_pruning.pruner.BasePruner(
        network.eval(),
        image,
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=1),
        pruning_ratio_dict=_ratios(network, share),
        ignored_layers=[network.head],
    )
