"""The training loop: steps, validations, checkpoints; it can be killed and resumed at any time."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.errors import RoadsegError, UsageError
from roadseg.runtime.spec import ModelSpec
from roadseg.train import checkpoint
from roadseg.train.batches import Batch, Batches
from roadseg.train.distillation import Distillation
from roadseg.train.evaluation import evaluate_each, label_iou, normalize, total
from roadseg.train.labels import LabelledImages
from roadseg.train.losses import SegmentationLoss
from roadseg.train.networks import Network
from roadseg.train.optimization import MovingAverage, build_optimizer, lr_factor, set_lr
from roadseg.train.options import TrainOptions
from roadseg.train.outputs import Outputs
from roadseg.train.progress import Progress
from roadseg.train.qat import freeze_statistics


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
    def best(self) -> float:
        """Highest validation mIoU so far, -1 before the first."""
        return max((row["miou"] for row in self.history if "miou" in row), default=-1.0)


class Trainer:
    """A run: a network, its data, and everything that changes while it learns."""

    def __init__(
        self,
        options: TrainOptions,
        network: Network,
        spec: ModelSpec,
        batches: Batches,
        validation: Sequence[LabelledImages],
        loss: SegmentationLoss,
        distillation: Distillation | None = None,
    ) -> None:
        self.options, self.network, self.spec = options, network, spec
        self.batches, self.loss, self.distillation = batches, loss, distillation
        self.validation, *self.others = validation
        self.device = next(network.parameters()).device
        self.optimizer = build_optimizer(network, options)
        self.average = MovingAverage(network, options.ema)
        self.precision = choose_precision(options.amp, self.device)
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=self.precision is torch.float16
        )
        self.state = State()
        self.matrix = ConfusionMatrix(len(spec.classes))
        self.progress = Progress()
        self.outputs = Outputs(options.out)
        self._since = time.monotonic()

    def fit(self) -> None:
        """Train until the epochs or the minutes are used up."""
        self._since = time.monotonic() - self.state.elapsed_s
        try:
            done = self.share_done() >= 1
            while not done:
                done = self.run_epoch()
        finally:
            self.outputs.close()
        self.progress.end(self.state, self.options)

    def share_done(self) -> float:
        """Return the progress of the run, 0 to 1: of its steps, or of its time if that is more."""
        done = self.state.step / (self.options.epochs * len(self.batches))
        limit = self.options.max_minutes * 60
        return max(done, (time.monotonic() - self._since) / limit) if limit else done

    def run_epoch(self) -> bool:
        """Train for an epoch, validate when it is due, write checkpoints; True after the last."""
        start, images, total = time.monotonic(), 0, 0.0
        self.network.train()
        if self.options.qat:
            freeze_statistics(self.network)
        for batch in self.batches.epoch(self.state.epoch):
            total += self.step(batch) * len(batch[0])
            images += len(batch[0])
            share = self.share_done()
            speed = images / (time.monotonic() - start)
            left = (time.monotonic() - self._since) * (1 / share - 1)
            self.progress.live(self.state.epoch + 1, share, total / images, speed, left)
            if share >= 1:
                break
        self.state.epoch += 1
        row = {"epoch": self.state.epoch, "step": self.state.step, "loss": total / images}
        row |= {"images_per_s": speed, "lr": max(g["lr"] for g in self.optimizer.param_groups)}
        # Asked once: a run whose time ends while it saves has one more epoch, of one step, and is
        # then validated.
        last = self.share_done() >= 1
        self.finish_epoch(row, last)
        return last

    def step(self, batch: Batch) -> float:
        """Do one optimizer step; return its loss."""
        images, labels = (torch.from_numpy(part).to(self.device) for part in batch)
        warmup = self.options.warmup * len(self.batches)
        warm = (self.state.step + 1) / warmup if warmup else 1.0
        set_lr(self.optimizer, lr_factor(self.options.schedule, self.share_done(), warm))
        with self.autocast():
            logits = self.network(normalize(images, self.spec))
        loss = self.loss_of(images, logits, labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.state.step += 1
        self.average.update(self.network, self.state.step)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise RoadsegError(
                f"the loss is {value} in epoch {self.state.epoch + 1}: try a lower --lr, and "
                "--resume from the last epoch"
            )
        return value

    def loss_of(self, images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch's logits, towards teachers as well where there are some."""
        if not self.distillation:
            alone: Tensor = self.loss(logits, labels)
            return alone
        seen = self.distillation.see(images)
        labels = self.distillation.relabel(labels, seen)
        both: Tensor = self.loss(logits, labels) + self.distillation.loss(logits, seen)
        return both

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context of the forward pass."""
        if self.precision is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)

    def finish_epoch(self, row: dict[str, Any], last: bool) -> None:
        """Validate when it is due, then record the epoch."""
        best = self.state.best
        due = last or self.state.epoch % self.evaluation_interval() == 0
        network = self.average.network
        if due:
            matrices = evaluate_each(network, self.spec, self.validation)
            self.matrix = total(matrices, len(self.spec.classes))
            row |= scores(self.matrix, self.spec)
            row |= {"others": self.score_others()} if self.others else {}
            self.spec = self.spec.replace(metrics=spec_metrics(row))
        self.state.elapsed_s = time.monotonic() - self._since
        row["elapsed_s"] = round(self.state.elapsed_s, 1)
        self.state.history.append(row)
        out = self.options.out
        # Before the checkpoint: when killed in between, the epoch is done again and all is renewed.
        self.outputs.write_metrics(self.state.history)
        if due:
            self.outputs.draw(self.state.history, network, self.spec, self.validation, matrices)
        if row.get("miou", -1.0) > best:
            self.save_best(out / checkpoint.BEST)
        self.save(out / checkpoint.LAST)
        self.progress.epoch(row, self.state, self.options, last)

    def score_others(self) -> dict[str, Any]:
        """Return the scores on the other data sets, in what their masks tell apart."""
        found = {}
        for images in self.others:
            miou, iou = label_iou(self.average.network, self.spec, images)
            found[images.dataset.name] = {"miou": miou, "iou": iou}
        return found

    def evaluation_interval(self) -> int:
        """Return the epochs between validations; a training pixel costs about three times one."""
        if self.options.evaluate_every:
            return self.options.evaluate_every
        crop = self.options.crop
        trained = len(self.batches) * self.batches.batch_size * crop.width * crop.height * 3
        images = len(self.validation) + sum(map(len, self.others))
        validated = images * self.spec.width * self.spec.height
        return max(1, math.ceil(validated / trained / 0.1))

    def save(self, path: Path) -> None:
        """Write all that resuming needs."""
        content = {
            "model": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "state": dataclasses.asdict(self.state),
            "random": checkpoint.random_state(),
            "matrix": torch.from_numpy(self.matrix.counts),
        }
        checkpoint.save(path, self.spec, content | self._told())

    def save_best(self, path: Path) -> None:
        """Write what using the network needs."""
        content = {"average": self.average.network.state_dict()}
        checkpoint.save(path, self.spec, content | self._told())

    def _told(self) -> dict[str, Any]:
        told = {key: str(value) for key, value in dataclasses.asdict(self.options).items()}
        return {"history": self.state.history, "options": told}

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint; raises ModelError or UsageError when it is not of this run."""
        content = checkpoint.read(path)
        spec = ModelSpec.from_json(content["spec"], str(path))
        for what in ("network", "classes", "trained_on", "quantization"):
            if getattr(spec, what) != getattr(self.spec, what):
                raise UsageError(
                    f"{path} was trained with another {what}: resume with the same options, or "
                    "give another --out"
                )
        self.network.load_state_dict(content["model"])
        self.average.network.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.scaler.load_state_dict(content["scaler"])
        self.state = State(**content["state"])
        self.matrix.counts = np.asarray(content["matrix"].numpy())
        self.spec = spec
        checkpoint.set_random_state(content["random"])


def choose_precision(amp: str, device: torch.device) -> torch.dtype:
    """Return the forward pass's type; by default float16 on CUDA, float32 elsewhere."""
    if amp == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    kinds = {"off": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    return kinds[amp]


def scores(matrix: ConfusionMatrix, spec: ModelSpec) -> dict[str, Any]:
    """Return a confusion matrix's scores, 0 to 1."""
    return {
        "miou": matrix.miou,
        "pixel_accuracy": matrix.pixel_accuracy,
        "iou": matrix.iou_by_name(spec.class_names),
    }


def spec_metrics(row: dict[str, Any]) -> dict[str, float]:
    """Return an epoch's scores as a spec has them, in percent."""
    metrics = {"miou_val": row["miou"], "pixel_accuracy_val": row["pixel_accuracy"]}
    return {name: round(100 * value, 2) for name, value in metrics.items()}
