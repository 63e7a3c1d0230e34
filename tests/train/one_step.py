"""What one step computes, alone or as one of the processes of torchrun: python one_step.py FILE."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from roadseg.train.distributed import (
    data_parallel,
    decided_by_first,
    process_group,
    rank,
    whole_batch,
    whole_max,
    whole_sum,
    world_size,
)
from roadseg.train.losses import SegmentationLoss
from roadseg.train.networks import build_network
from roadseg.train.qat import fake_quantize
from roadseg.train.synced_norm import sync_norms

TINY = {"backbone": "mobilenetv2_050", "depths": [1] * 7, "widths": [8] * 4}
IMAGES = 4


def one_step(rounds: bool = False) -> dict[str, Tensor]:
    """Return the loss, gradients and buffers of a step in float64; labels are uneven over it."""
    torch.manual_seed(0)
    images = torch.randn(IMAGES, 3, 64, 64, dtype=torch.float64)
    labels = torch.randint(0, 3, (IMAGES, 64, 64), dtype=torch.uint8)
    labels[0] = 255  # one process has a quarter of the other's pixels
    labels[2, :32] = 255
    labels[1] = labels[1].clamp(max=1)
    network = build_network(TINY, 3).double()
    if rounds:
        network.float()
        fake_quantize(network)
        images = images.float()
    loss = SegmentationLoss(
        3, network.stride, "cross-entropy+0.5*dice", torch.tensor([1.0, 5.0, 2.0])
    )
    sync_norms(network, torch.device("cpu"))
    model = data_parallel(network.train())
    own = slice(rank(), None, world_size())
    whole = loss(whole_batch(model(images[own])), whole_batch(labels[own]))
    (whole * world_size()).backward()
    found = {f"gradient {name}": p.grad for name, p in network.named_parameters()}
    found |= dict(network.state_dict()) | {"loss": whole.detach()}
    return {name: value.clone() for name, value in found.items() if value is not None}


def collectives() -> dict[str, Tensor]:
    """Return what the processes agree on."""
    own = torch.arange(IMAGES)[rank() :: world_size()]
    return {
        "batch": whole_batch(own.double()[:, None]),
        "sum": whole_sum(own.sum()),
        "largest": whole_max(own.max()),
        "first": torch.tensor(decided_by_first(7.0 + rank())),
    }


def computed() -> dict[str, dict[str, Tensor]]:
    return {"plain": one_step(), "rounds": one_step(rounds=True), "collectives": collectives()}


def threads(name: str) -> int:
    """Return how many threads of this process bear a name."""
    return sum(name in each.read_text() for each in Path("/proc/self/task").glob("*/comm"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with process_group(torch.device("cpu")):
        first = rank() == 0
        result = computed() | {"processes": {"count": torch.tensor(world_size())}}
        result["threads"] = {"inside": torch.tensor(threads("gloo"))}
    result["threads"]["behind"] = torch.tensor(threads("gloo"))
    if first:
        torch.save(result, sys.argv[1])
