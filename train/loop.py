"""The loop over epochs of steps: it can be killed and resumed at any time."""

from __future__ import annotations

import dataclasses
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from roadseg.runtime.errors import RoadsegError, UsageError
from roadseg.runtime.spec import ModelSpec
from roadseg.train import checkpoint
from roadseg.train.batches import Batches
from roadseg.train.distributed import decided_by_first, rank
from roadseg.train.networks import complete_config
from roadseg.train.optimization import lr_factor
from roadseg.train.options import TrainOptions
from roadseg.train.outputs import Outputs
from roadseg.train.progress import Progress
from roadseg.train.qat import freeze_statistics
from roadseg.train.recipe import recipe_text
from roadseg.train.seed import seed_all
from roadseg.train.start import chosen_options
from roadseg.train.step import Step

GPU_STEPS = 10  # between looks at the loss, each of which waits for a GPU


@dataclasses.dataclass
class State:
    """How far a run is.

    step: optimizer steps done.
    epoch: epochs done.
    elapsed_s: time spent, over all its resumptions.
    history: a row of metrics for each epoch.
    """

    step: int = 0
    epoch: int = 0
    elapsed_s: float = 0.0
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    @property
    def mious(self) -> list[float]:
        """Validation mIoU, 0 to 1, of each epoch that has one."""
        return [row["miou"] for row in self.history if "miou" in row]

    @property
    def best(self) -> float:
        """Highest validation mIoU so far, -1 before the first."""
        return max(self.mious, default=-1.0)

    @property
    def without_gain(self) -> int:
        """Validations since the best one."""
        return len(self.mious) - 1 - self.mious.index(self.best) if self.mious else 0


class Loop(ABC):
    """A network, its data, and everything that changes while it learns.

    kind: format of last.pt, from which a run of the same kind goes on.
    kept: epochs that last.pt has.
    """

    kind = checkpoint.FORMAT

    def __init__(self, options: TrainOptions, step: Step, batches: Batches) -> None:
        self.options, self.step, self.spec = options, step, step.spec
        self.batches = batches
        self.state = State()
        self.progress = Progress()
        self.outputs = Outputs(options.out, recipe_text(options, chosen_options(options)))
        self.kept = 0
        self._since = time.monotonic()

    @abstractmethod
    def finish_epoch(self, row: dict[str, Any], last: bool) -> None:
        """Record the epoch, write what is to be kept of it, and tell it."""

    @abstractmethod
    def end(self) -> None:
        """Tell what came out, and what to do next."""

    def fit(self) -> None:
        """Train until the epochs, the minutes or the patience are used up.

        Ctrl-C is told with how to go on.
        """
        self._since = time.monotonic() - self.state.elapsed_s
        try:
            done = self.share_done() >= 1 or self.is_exhausted()
            while not done:
                done = self.run_epoch()
        except KeyboardInterrupt:
            after = f"after epoch {self.kept}: go on with --resume"
            told = after if self.kept else "in its first epoch: nothing is kept"
            raise KeyboardInterrupt(f"stopped {told}") from None
        finally:
            self.progress.clear()
            self.outputs.close()
        self.end()

    def share_done(self) -> float:
        """Return the progress of the run, 0 to 1: of its steps, or of its time if that is more."""
        done = self.state.step / (self.options.epochs * len(self.batches))
        limit = self.options.max_minutes * 60
        if not limit:
            return done
        return max(done, decided_by_first((time.monotonic() - self._since) / limit))

    def is_exhausted(self) -> bool:
        """Return whether the run has been without a gain for as long as it may be."""
        return 0 < self.options.patience <= self.state.without_gain

    def run_epoch(self) -> bool:
        """Train for an epoch and finish it; True after the last."""
        start, first = time.monotonic(), self.state.step
        losses = torch.zeros((), dtype=torch.float64, device=self.step.device)
        for loss in self.steps(self.state.epoch):
            losses += loss
            share, done = self.share_done(), self.state.step - first
            if self.step.device.type == "cpu" or done % GPU_STEPS == 0:
                speed = done * self.batches.batch_size / (time.monotonic() - start)
                left = (time.monotonic() - self._since) * (1 / share - 1)
                mean = self.finite(losses) / done
                self.progress.live(self.state.epoch + 1, share, mean, speed, left)
            if share >= 1:
                break
        mean = self.finite(losses) / done
        speed = done * self.batches.batch_size / (time.monotonic() - start)
        self.state.epoch += 1
        row = {"epoch": self.state.epoch, "step": self.state.step, "loss": mean}
        row |= {"images_per_s": speed, "lr": self.step.lr}
        # Asked once: a run whose time ends while it saves has one more epoch, of one step, and is
        # then validated.
        last = self.share_done() >= 1
        self.finish_epoch(row, last)
        return last or self.is_exhausted()

    def steps(self, epoch: int) -> Iterator[Tensor]:
        """Train for an epoch; give each step's loss."""
        seed_all(self.options.seed, epoch, rank())
        self.step.network.train()
        if self.options.qat:
            freeze_statistics(self.step.network)
        warmup = self.options.warmup * len(self.batches)
        batches = self.batches.epoch(epoch)
        while True:
            with self.step.time("data wait"):
                batch = next(batches, None)
            if batch is None:
                return
            warm = (self.state.step + 1) / warmup if warmup else 1.0
            factor = lr_factor(self.options.schedule, self.share_done(), warm)
            self.state.step += 1
            yield self.step(batch, self.state.step, factor)

    def finite(self, losses: Tensor) -> float:
        """Return a sum of losses; raises RoadsegError when it is no number any more."""
        value = float(losses)
        if not math.isfinite(value):
            again = "and --resume from the last epoch" if self.kept else "from the start"
            raise RoadsegError(
                f"the loss is {value} in epoch {self.state.epoch + 1}: try a lower --lr or "
                f"--clip 1, {again}"
            )
        return value

    def record(self, row: dict[str, Any]) -> None:
        """Add an epoch's row to the history, with the time spent so far."""
        self.state.elapsed_s = time.monotonic() - self._since
        row["elapsed_s"] = round(self.state.elapsed_s, 1)
        self.state.history.append(row)

    def content(self) -> dict[str, Any]:
        """Return what every checkpoint tells of its run."""
        told = {key: str(value) for key, value in dataclasses.asdict(self.options).items()}
        return {"history": self.state.history, "options": told}

    def save_last(self, **more: Any) -> None:
        """Write last.pt: all that resuming needs, and `more`."""
        content = self.content() | self.step.state_dict() | more
        content |= {"state": dataclasses.asdict(self.state), "epoch_steps": len(self.batches)}
        checkpoint.save(self.options.out / checkpoint.LAST, self.spec, content, self.kind)
        self.kept = self.state.epoch

    def resume(self, path: Path) -> dict[str, Any]:
        """Go on from a checkpoint, and return its content.

        Raises ModelError or UsageError when it is not of this run.
        """
        content = checkpoint.read(path, self.kind)
        spec = ModelSpec.from_json(content["spec"], str(path))
        if complete_config(spec.network) == complete_config(self.spec.network):
            spec = spec.replace(network=self.spec.network)  # an option may be newer than the file
        for what in ("network", "classes", "trained_on", "quantization", "width", "height"):
            if getattr(spec, what) != getattr(self.spec, what):
                raise UsageError(
                    f"{path} was trained with another {what}: resume with the same options, or "
                    "give another --out"
                )
        if content["options"]["optimizer"] != self.options.optimizer:
            raise UsageError("the run had another optimizer: resume with the same --optimizer")
        steps = content.get("epoch_steps", len(self.batches))
        if steps != len(self.batches):  # then steps would not tell how much of the run is done
            raise UsageError(
                f"{path} had {steps} steps an epoch, with these options there are "
                f"{len(self.batches)}: resume with the same --batch-size, --mix and "
                "--unlabelled-share"
            )
        self.step.load_state_dict(content)
        self.state, self.spec = State(**content["state"]), spec
        self.kept = self.state.epoch
        return content
