"""Where the time of training steps goes: seg-train --profile N."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from roadseg.train.loop import Loop

Timer = Callable[[str], AbstractContextManager[None]]

WARM_UP = 3  # steps before those that are measured: memory, threads and kernels settle
OTHER = "other"
PARTS = (
    "data wait",
    "transfer",
    "forward",
    "teachers",
    "loss",
    "backward",
    "optimizer",
    "average",
    OTHER,
)
NETWORK = "forward", "backward"


def untimed(part: str) -> AbstractContextManager[None]:
    """Time nothing."""
    return nullcontext()


class StepTimes:
    """Adds up the seconds of each part of a step; a GPU is waited for at each part's end."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.restart()

    def restart(self) -> None:
        """Forget what was measured."""
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.started = time.perf_counter()

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Time the body as a part of a step."""
        start = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds[part] += time.perf_counter() - start

    def stop(self) -> None:
        """Count what was in no part as other."""
        whole = time.perf_counter() - self.started
        self.seconds[OTHER] = whole - sum(self.seconds.values())

    @property
    def network_share(self) -> float:
        """The forward and the backward pass's share of the time, 0 to 1."""
        return sum(self.seconds[part] for part in NETWORK) / sum(self.seconds.values())


def profile_steps(loop: Loop, steps: int) -> StepTimes:
    """Train for some steps, epoch after epoch, and return where their time went."""
    times = StepTimes(loop.step.device)
    loop.step.time = times
    done = 0
    while done < WARM_UP + steps:
        for _ in loop.steps(loop.state.epoch):
            done += 1
            if done == WARM_UP:
                times.restart()
            if done == WARM_UP + steps:
                break
        loop.state.epoch += 1
    times.stop()
    return times


def times_table(times: StepTimes, steps: int, images: int) -> str:
    """Return a table of the parts, with the images a second; images: in a step."""
    whole = sum(times.seconds.values())
    lines = [f"{'part':10}  {'ms a step':>9}  {'share':>6}"]
    lines += [
        f"{part:10}  {1000 * seconds / steps:9.1f}  {seconds / whole:6.1%}"
        for part, seconds in times.seconds.items()
    ]
    lines += [f"{'step':10}  {1000 * whole / steps:9.1f}  {1:6.1%}"]
    return "\n".join(
        [
            *lines,
            f"network's forward and backward {times.network_share:.1%} of {steps} steps, "
            f"{steps * images / whole:.1f} images/s",
        ]
    )
