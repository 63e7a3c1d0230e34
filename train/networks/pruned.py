"""Networks with fewer channels than their config names: the shapes that pruning left of them.

The config's "pruned" has the shape of every tensor that is smaller than in the whole network, by
its name in the state dict, so that build_network makes the pruned network of any architecture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from roadseg.runtime.errors import UsageError

Shapes = Mapping[str, Sequence[int]]


def changed_shapes(before: nn.Module, after: nn.Module) -> dict[str, list[int]]:
    """Return the shapes of the tensors of `after` that are not those of `before`."""
    whole = before.state_dict()
    return {
        name: list(value.shape)
        for name, value in after.state_dict().items()
        if value.shape != whole[name].shape
    }


def cut_to_shapes(network: nn.Module, shapes: Shapes) -> None:
    """Cut a whole network's tensors to shapes, in place; the first channels are kept.

    Raises UsageError for a tensor that the network does not have or that is smaller.
    """
    own = network.state_dict()
    for name, shape in shapes.items():
        there = own.get(name)
        if there is None or there.ndim != len(shape) or any(map(int.__lt__, there.shape, shape)):
            raise UsageError(f"pruned: '{name}' of shape {list(shape)} is not of this network")
        owner, _, tensor = name.rpartition(".")
        module = network.get_submodule(owner)
        cut = there[tuple(slice(0, side) for side in shape)].clone()
        if tensor in module._parameters:
            setattr(module, tensor, nn.Parameter(cut))
        else:
            module.register_buffer(tensor, cut)
        _tell_widths(module)


def _tell_widths(module: nn.Module) -> None:
    """Bring what a layer says of its widths in line with its tensors."""
    if isinstance(module, nn.Conv2d):
        out, inner = module.weight.shape[:2]
        is_depthwise = module.groups == module.in_channels and inner == 1
        module.groups = out if is_depthwise and module.groups > 1 else module.groups
        module.out_channels, module.in_channels = out, inner * module.groups
    elif isinstance(module, _BatchNorm):
        module.num_features = len(module.weight)


def count_parameters(network: nn.Module) -> int:
    """Return the number of weights."""
    return sum(value.numel() for value in network.parameters() if isinstance(value, torch.Tensor))
