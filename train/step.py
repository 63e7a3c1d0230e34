"""One optimizer step: forward, loss, backward, update, moving average."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from roadseg.runtime.errors import RoadsegError, UsageError
from roadseg.runtime.spec import ModelSpec
from roadseg.train.batches import Batch
from roadseg.train.distillation import Distillation
from roadseg.train.distributed import data_parallel, whole_batch, world_size
from roadseg.train.evaluation import normalize
from roadseg.train.networks import Network
from roadseg.train.optimization import MovingAverage, build_optimizer, set_lr
from roadseg.train.options import TrainOptions
from roadseg.train.step_times import Timer, untimed


class Step:
    """All that learning changes: a network, its average, the optimizer, the scale of its loss.

    network: as it is kept; the forward pass goes through `model`, the same one in its wrappers.
    time: what the parts of a step are timed with.
    """

    def __init__(
        self,
        options: TrainOptions,
        network: Network,
        spec: ModelSpec,
        loss: nn.Module,
        distillation: Distillation | None = None,
    ) -> None:
        self.options, self.network, self.spec = options, network, spec
        self.loss, self.distillation = loss, distillation
        self.device = next(network.parameters()).device
        self.model = data_parallel(network)
        if options.compile:
            self.model = torch.compile(self.model)
        self.optimizer = build_optimizer(network, options)
        self.average = MovingAverage(network, options.ema)
        self.precision = choose_precision(options.amp, self.device)
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=self.precision is torch.float16
        )
        self.time: Timer = untimed

    def __call__(self, batch: Batch, number: int, lr_factor: float) -> Tensor:
        """Do step `number`, counted from 1, with this process's part of a batch.

        Returns the whole batch's loss, where the network is: reading it waits for a GPU.
        """
        set_lr(self.optimizer, lr_factor)
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.device)
        for images, labels, is_last in self.pieces(batch):
            with self.sums_gradients(is_last):
                loss += self.backward(images, labels)
        with self.time("optimizer"):
            self.update()
        with self.time("average"):
            self.average.update(self.network, number)
        return loss

    @property
    def lr(self) -> float:
        """The highest learning rate of the last step."""
        return max(float(group["lr"]) for group in self.optimizer.param_groups)

    def pieces(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor, bool]]:
        """Give the batch's pieces on the device, and whether each is the last."""
        length = len(batch[0]) // self.options.accumulate
        for start in range(0, len(batch[0]), length):
            with self.time("transfer"):
                images, labels = (self.sent(part[start : start + length]) for part in batch)
            yield images, labels, start + length == len(batch[0])

    def sent(self, part: Any) -> Tensor:
        """Return an array on the device; a GPU is not waited for."""
        tensor = torch.from_numpy(part)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    def backward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Add the gradient of a piece; return its share of the loss."""
        loss = self.piece_loss(images, labels) / self.options.accumulate
        with self.time("backward"):
            # Times the processes, as DistributedDataParallel takes the mean of their gradients.
            self.scaler.scale(loss * world_size()).backward()  # type: ignore[no-untyped-call]
        detached: Tensor = loss.detach()
        return detached

    def piece_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a piece: images (N, H, W, 3) and labels (N, H, W), both uint8."""
        with self.time("forward"), self.autocast():
            logits = self.forward(normalize(images, self.spec))
        with self.time("teachers"):
            seen = self.distillation.see(images) if self.distillation else []
        with self.time("loss"):
            return self.loss_of(logits, labels, seen)

    def loss_of(self, logits: Tensor, labels: Tensor, seen: Sequence[Tensor]) -> Tensor:
        """Return the loss of a piece: of its labels, and towards what teachers see in it.

        Each process computes the loss of the whole piece, so that what it divides by is the whole
        piece's; its gradient goes to the own logits alone.
        """
        if self.distillation:
            labels = self.distillation.relabel(labels, seen)
        whole = whole_batch(logits)
        loss: Tensor = self.loss(whole, whole_batch(labels))
        if self.distillation:
            loss = loss + self.distillation.loss(whole, [whole_batch(each) for each in seen])
        return loss

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits; raises RoadsegError where torch.compile cannot work."""
        if not self.options.compile:
            logits: Tensor = self.model(images)
            return logits
        from torch._dynamo.exc import TorchDynamoException

        try:
            compiled: Tensor = self.model(images)
            return compiled
        except TorchDynamoException as error:
            reason = " ".join(str(error).split())[:160]
            raise RoadsegError(f"torch.compile failed: leave --compile out ({reason})") from None

    def update(self) -> None:
        """Change the weights by the gradient, clipped when asked for."""
        if self.options.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context of the forward pass."""
        if self.precision is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)

    def sums_gradients(self, is_last: bool) -> AbstractContextManager[Any]:
        """Return the context in which processes exchange gradients only after the last piece."""
        if is_last or world_size() == 1:
            return nullcontext()
        no_sync: AbstractContextManager[Any] = self.model.no_sync()  # type: ignore[attr-defined]
        return no_sync

    def state_dict(self) -> dict[str, Any]:
        """Return all that going on needs; the learning rate is a function of the step."""
        return {
            "model": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what state_dict returned; learning rates and weight decay stay those of the options.

        Raises UsageError when it is of another kind of run.
        """
        if state["model"].keys() != self.network.state_dict().keys():
            raise UsageError("the run had another deep_supervision: resume with the same")
        self.network.load_state_dict(state["model"])
        self.average.network.load_state_dict(state["average"])
        asked = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, own in zip(self.optimizer.param_groups, asked, strict=True):
            group |= {name: own[name] for name in ("peak", "weight_decay")}
        self.scaler.load_state_dict(state["scaler"])


def choose_precision(amp: str, device: torch.device) -> torch.dtype:
    """Return the forward pass's type; by default float16 on CUDA, float32 elsewhere."""
    if amp == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    kinds = {"off": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    return kinds[amp]
