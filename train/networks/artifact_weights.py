"""Weights of a float artefact, whose batch norms were folded into its convolutions at export.

Training needs the norms again. What a norm normalises is measured on images: with these means and
variances, and a scale and shift that undo them, the network computes what the artefact computes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import ModelError
from roadseg.train.networks import Network, build_network, complete_config

Kernel = tuple[NDArray[np.float32], NDArray[np.float32] | None]
Convolution = nn.Conv2d | nn.ConvTranspose2d
Layer = tuple[Convolution, nn.BatchNorm2d | None]


def load_artifact_weights(
    path: Path, classes: int, load: bool = True
) -> tuple[Network, dict[str, Any]]:
    """Build a float artefact's network for so many classes, and load its convolutions.

    The head stays random where the classes are others in number. The norms only add the biases:
    measure_norms must follow before training. Return the network and the config that builds it.
    Raises ModelError for a file that is no artefact, is INT8, or does not fit its own config.
    """
    model, spec = read_artifact(path)
    if spec.precision != "float32":
        raise ModelError(f"{path} is {spec.precision}: training starts from a float32 artefact")
    if not spec.network:
        raise ModelError(f"{path}: its spec does not say how its network is built")
    config = complete_config(spec.network)
    network = build_network(config, classes)
    if load:
        _load(network, _kernels(model), path)
    return network, config


@torch.no_grad()
def _load(network: Network, kernels: list[Kernel], path: Path) -> None:
    layers = layers_with_norms(network)
    if len(kernels) != len(layers):
        raise ModelError(f"{path}: {len(kernels)} convolutions, its network has {len(layers)}")
    for (conv, norm), (weight, bias) in zip(layers, kernels, strict=True):
        if conv.weight.shape != weight.shape:
            if conv is network.head:
                continue
            shapes = f"{list(weight.shape)}, not {list(conv.weight.shape)}"
            raise ModelError(f"{path}: a convolution of its network is {shapes}")
        conv.weight.copy_(torch.from_numpy(weight))
        shift = torch.zeros(len(weight)) if bias is None else torch.from_numpy(bias)
        if norm is not None:
            set_norm(norm, torch.zeros_like(shift), torch.ones_like(shift), shift)
        elif conv.bias is not None:
            conv.bias.copy_(shift)


@torch.no_grad()
def measure_norms(network: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Give each norm the mean and variance of what it normalises; the output stays the same.

    inputs: (N, 3, H, W), normalised; a few dozen images.
    """
    sums: dict[nn.BatchNorm2d, list[Tensor]] = {}

    def watch(norm: nn.BatchNorm2d, arguments: tuple[Tensor]) -> None:
        value = arguments[0].double()
        count = value.new_tensor(value.numel() / value.shape[1])
        found = [count, value.sum((0, 2, 3)), value.square().sum((0, 2, 3))]
        before = sums.get(norm, [torch.zeros_like(each) for each in found])
        sums[norm] = [a + b for a, b in zip(before, found, strict=True)]

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(watch) for norm in norms]
    network.eval()
    for batch in inputs:
        network(batch)
    for hook in hooks:
        hook.remove()
    for norm, (count, total, squares) in sums.items():
        mean = total / count
        variance = (squares / count - mean.square()).clamp(min=0)
        set_norm(norm, mean.float(), variance.float(), norm.bias + mean.float())


def set_norm(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, bias: Tensor) -> None:
    """Set a norm that gives x - mean + bias."""
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(bias)


def _kernels(model: onnx.ModelProto) -> list[Kernel]:
    """Return weights and bias of each convolution, in the graph's order."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:  # weights that are kept as float16 behind a cast
        if node.op_type == "Cast" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    convs = [node for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    tensors = [[constants[name].astype(np.float32) for name in node.input[1:]] for node in convs]
    return [(weight, bias[0] if bias else None) for weight, *bias in tensors]


def layers_with_norms(network: Network) -> list[Layer]:
    """Return the convolutions in the order they are run, each with the norm that follows it."""
    called: list[nn.Module] = []
    kinds = nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d
    hooks = [
        module.register_forward_hook(partial(_note, called))
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    side = 4 * network.multiple
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    after = [*called[1:], None]
    return [
        (module, follower if isinstance(follower, nn.BatchNorm2d) else None)
        for module, follower in zip(called, after, strict=True)
        if isinstance(module, Convolution)
    ]


def _note(called: list[nn.Module], module: nn.Module, *_: object) -> None:
    called.append(module)
