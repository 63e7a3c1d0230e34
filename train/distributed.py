"""A run of several processes, which torchrun starts: each computes its share of every batch.

What is exact over all of them is made so here: the whole batch's loss, sums, and what the first
process decides. With a single process all of it does nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist

# DistributedDataParallel imports it, whose defaults then hold the group of that moment: it would
# never be freed, nor its threads joined, and these can abort the process as the interpreter ends.
import torch.distributed.nn.functional
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from roadseg.runtime.errors import RoadsegError, UsageError

LOST = "another process of this run ended or cannot be reached: start again with --resume"


def rank() -> int:
    """Return this process's number; 0 writes and prints."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun started, while the body runs.

    Of all but the first, standard output is dropped. An error that several processes meet is told
    by one of them. Raises RoadsegError when the connection to another process breaks.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    try:
        store, number, count = next(rendezvous("env://"))
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"WORLD_SIZE is set, but not by torchrun: {_line(error)}") from None
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=number, world_size=count)
    with open(os.devnull, "w") as nowhere, _told_once(store):
        with contextlib.redirect_stdout(nowhere if number else sys.stdout):
            yield
        # After an error it is left to the end of the process: others may not answer any more.
        dist.destroy_process_group()


@contextlib.contextmanager
def _told_once(store: Any) -> Iterator[None]:
    """Exit without a word where another process has told the same error."""
    try:
        try:
            yield
        except RuntimeError as error:
            if not is_lost_connection(error):
                raise
            raise RoadsegError(LOST) from None
    except KeyboardInterrupt:
        if rank():
            sys.exit(130)
        raise
    except RoadsegError as error:
        with contextlib.suppress(RuntimeError):  # the store is away when torchrun is
            if store.add(f"told {error}", 1) > 1:
                sys.exit(error.exit_code)
        raise


def is_lost_connection(error: RuntimeError) -> bool:
    """Return whether an error of torch means that another process went away."""
    words = ("gloo", "connection", "nccl", "timed out")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def data_parallel(network: nn.Module) -> Callable[..., Any]:
    """Return the network with gradients that are the mean over processes after each backward.

    Its buffers are sent from the first process before a forward pass; they are equal already.
    """
    return network if world_size() == 1 else DistributedDataParallel(network)


def whole_batch(own: Tensor) -> Tensor:
    """Return the whole batch (N * world_size, …), in its order, of each process's part (N, …).

    Gradients go to the own part alone. A loss of the whole batch has thus, summed over the
    processes, the gradient that a single process computes: whatever it divides by.
    """
    count = world_size()
    if count == 1:
        return own
    parts = [torch.empty_like(own, memory_format=torch.contiguous_format) for _ in range(count)]
    dist.all_gather(parts, own.detach().contiguous())
    parts[rank()] = own
    return torch.stack(parts, 1).flatten(0, 1)  # process r has the places r, r + count, …


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return whole_sum(gradients[0])


def whole_sum(own: Tensor) -> Tensor:
    """Return the sum over processes; so is its gradient."""
    if world_size() == 1:
        return own
    total: Tensor = _Sum.apply(own)
    return total


def whole_max(own: Tensor) -> Tensor:
    """Return the largest over processes, without a gradient."""
    if world_size() == 1:
        return own
    found = own.detach().clone()
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return found


def decided_by_first(value: float) -> float:
    """Return the first process's value: of a clock, for example."""
    if world_size() == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64)
    dist.broadcast(shared, 0)
    return float(shared)
