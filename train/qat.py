"""Quantisation-aware training: convolutions compute with the INT8 artefact's numbers, in float.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018: values are rounded in the forward pass, gradients pass through as if they
were not (straight-through), ranges of activations are moving averages of the largest magnitudes.

The rules are those of calibration/quantize.py: int8 inputs of convolutions, one range for a tensor;
weights by output channel, 7 bits, 8 where depthwise. Batch norm scales whole output channels, which
rounding by output channel commutes with: rounded before it or folded and rounded, a weight is the
same. So batch norm stays in the network, its statistics frozen, as a fine-tuned network needs no
new ones.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from roadseg.runtime.engines.qdq import ACTIVATION_STEPS, PIXEL_RANGE, weight_steps
from roadseg.runtime.errors import UsageError
from roadseg.train.distributed import whole_max

METHOD = "qat"  # in ModelSpec.quantization
MOMENTUM = 0.05  # of a range's moving average over steps
LEAST = 1e-6  # of a range, so that its step can be divided by

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


class FakeQuantConv2d(nn.Conv2d):
    """A convolution whose input and weights are rounded as the INT8 artefact's.

    input_range: () the largest magnitude of its input that int8 holds, 0 before the first step.
    reads_pixels: whether its input is the picture, whose range is known.
    """

    input_range: Tensor

    def __init__(self, conv: nn.Conv2d, reads_pixels: bool) -> None:
        super().__init__(**_arguments(conv))
        self.weight, self.bias = conv.weight, conv.bias
        self.reads_pixels = reads_pixels
        start = torch.tensor(PIXEL_RANGE if reads_pixels else 0.0)
        self.register_buffer("input_range", start.to(conv.weight.device))

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, M, h, w)."""
        if self.training and not self.reads_pixels:
            self._observe(input.detach())
        rounded = fake_quantize_input(input, self.input_range)
        weight = fake_quantize_weight(self.weight)
        output: Tensor = self._conv_forward(rounded, weight, self.bias)
        return output

    @torch.no_grad()
    def _observe(self, input: Tensor) -> None:
        most = whole_max(input.abs().amax().float())
        momentum = torch.where(self.input_range == 0, 1.0, MOMENTUM)
        self.input_range.lerp_(most, momentum)

    def plain(self) -> nn.Conv2d:
        """Return an ordinary convolution of the same weights."""
        made = nn.Conv2d(**_arguments(self))
        made.weight, made.bias = self.weight, self.bias
        return made


def _arguments(conv: nn.Conv2d) -> dict[str, Any]:
    names = "in_channels out_channels kernel_size stride padding dilation groups padding_mode"
    return {name: getattr(conv, name) for name in names.split()} | {"bias": conv.bias is not None}


def fake_quantize_input(input: Tensor, largest: Tensor) -> Tensor:
    """Round to int8 of a symmetric range, gradients straight through within it."""
    scale = largest.clamp(min=LEAST) / ACTIVATION_STEPS
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_tensor_affine(input.float(), scale, zero, -128, 127)


def fake_quantize_weight(weight: Tensor) -> Tensor:
    """Round (M, C, kH, kW) by output channel; the largest weight of a channel is exact."""
    steps = weight_steps(tuple(weight.shape))
    scale = (weight.detach().abs().flatten(1).amax(1).float() / steps).clamp(min=1e-8)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight.float(), scale, zero, 0, -steps, steps)


def fake_quantize(network: nn.Module) -> None:
    """Give a network's convolutions the rounding, in place; its other layers stay.

    Raises UsageError for a kind of convolution whose padding the export does not know.
    """
    image_readers = {name for name, reads_pixels in _run(network) if reads_pixels}
    for name, conv in list(network.named_modules()):
        if isinstance(conv, nn.Conv2d):
            if type(conv) is not nn.Conv2d:
                raise UsageError(f"qat cannot take this backbone: {name} is {type(conv).__name__}")
            network.set_submodule(name, FakeQuantConv2d(conv, name in image_readers))


def without_fake_quantization(network: AnyNetwork) -> AnyNetwork:
    """Return a copy of a network with ordinary convolutions."""
    plain = copy.deepcopy(network)
    for name, conv in list(plain.named_modules()):
        if isinstance(conv, FakeQuantConv2d):
            plain.set_submodule(name, conv.plain())
    return plain


def freeze_statistics(network: nn.Module) -> None:
    """Let batch norms of a training network use the statistics that they have."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


def input_ranges(network: nn.Module) -> list[float]:
    """Return the ranges of the convolutions' inputs in the order of computing; [] without them."""
    convs = [network.get_submodule(name) for name, _ in _run(network)]
    return [float(conv.input_range) for conv in convs if isinstance(conv, FakeQuantConv2d)]


@torch.no_grad()
def _run(network: nn.Module) -> list[tuple[str, bool]]:
    """Return each convolution's name and whether it reads the picture, in the order of computing.

    network: has `.multiple`.
    """
    side = 2 * int(network.multiple)  # type: ignore[arg-type]
    image = torch.zeros(1, 3, side, side, device=next(network.parameters()).device)
    found: list[tuple[str, bool]] = []

    handles = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):

            def hook(_: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
                found.append((name, inputs[0] is image))

            handles.append(module.register_forward_pre_hook(hook))
    was_training = network.training
    network.eval()(image)
    network.train(was_training)
    for handle in handles:
        handle.remove()
    return found
