"""A 3x3 convolution that trains as three branches and runs as one.

    training   x ─┬─ 3x3 ──────┐
                  ├─ 1x1 ──────┼─ + ─ batch norm ─ ReLU
                  └─ x gain ───┘
    exported   x ─── 3x3 with bias ─ ReLU

RepVGG (Ding et al., CVPR 2021) has a batch norm in each branch. Merged, these give weights of very
unequal size, which INT8 rounds badly: QARepVGG (Chu et al., 2022) takes the norms of the 1x1 and
identity branches away and puts one behind the sum. Here it is the only one. The branches are then
linear in their weights, so that training adds up the weights instead of three pictures (OREPA, Hu
et al., CVPR 2022): a step costs what a plain 3x3 convolution costs, and what is trained with is to
the bit what is exported.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class RepConv(nn.Module):
    """3x3 convolution of three branches, batch norm, ReLU: (N, C, H, W) -> (N, M, H / s, W / s).

    The gain of the identity is one number a channel; the branch is there where shapes allow it. It
    starts as large as the largest weights of the 3x3 branch: INT8 steps do not grow with it.

    branches: False for the 3x3 branch alone, as merge_branches leaves it.
    """

    def __init__(
        self, channels: int, width: int, stride: int = 1, dilation: int = 1, branches: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, width, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.ReLU(inplace=True)
        self.point: nn.Parameter | None = None
        self.gain: nn.Parameter | None = None
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        if branches:
            # As large as a weight of the 3x3 branch, a third of what would suit it alone.
            self.point = nn.Parameter(
                torch.randn(width, channels, 1, 1) * (2 / 9 / channels) ** 0.5
            )
            if channels == width and stride == 1:
                self.gain = nn.Parameter(torch.full((width,), 2 / channels**0.5))

    def forward(self, feature: Tensor) -> Tensor:
        """See the class."""
        if self.point is None:
            return self._finish(self.conv(feature))
        return self._finish(self.conv._conv_forward(feature, self.kernel(), None))

    def _finish(self, sums: Tensor) -> Tensor:
        activated: Tensor = self.act(self.norm(sums))
        return activated

    def kernel(self) -> Tensor:
        """Return the weights (M, C, 3, 3) of the one convolution that all branches make."""
        if self.point is None:
            return self.conv.weight
        return _sum_of_branches(self.conv.weight, self.point, self.gain)

    @torch.no_grad()
    def merge(self) -> None:
        """Leave the one convolution, in place."""
        self.conv.weight.copy_(self.kernel())
        self.point = self.gain = None


def _sum_of_branches(weight: Tensor, point: Tensor, gain: Tensor | None) -> Tensor:
    """Return one kernel of 3x3 (M, C, 3, 3), 1x1 (M, C, 1, 1) and identity (M,)."""
    centre = point if gain is None else point + torch.diag(gain)[:, :, None, None]
    return weight + pad(centre, (1, 1, 1, 1))


def merge_branches(network: nn.Module, config: dict[str, Any]) -> dict[str, Any]:
    """Merge the branches of a network, in place; return the config that builds what is left.

    A network without branches stays as it is.
    """
    for module in network.modules():
        if isinstance(module, RepConv):
            module.merge()
    return config | {"branches": False} if config.get("branches") else config


def fit_branches(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict with the branches that a network has.

    Of a merged one, the branches beside the 3x3 are zero; of one with branches, a merged network
    gets the sum.
    """
    state = dict(state)
    for prefix, module in network.named_modules():
        kernel, point, gain = (f"{prefix}.{name}" for name in ("conv.weight", "point", "gain"))
        if not isinstance(module, RepConv) or kernel not in state:
            continue
        if module.point is None and point in state:
            state[kernel] = _sum_of_branches(state[kernel], state[point], state.get(gain))
        for name, branch in ((point, module.point), (gain, module.gain)):
            if branch is not None:
                state.setdefault(name, torch.zeros_like(branch))
    return state
