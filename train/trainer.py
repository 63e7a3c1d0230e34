"""Training on labels: the loop with validations, pictures and the best checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.spec import ModelSpec
from roadseg.train import checkpoint
from roadseg.train.batches import Batches
from roadseg.train.distributed import rank
from roadseg.train.evaluation import total
from roadseg.train.loop import Loop
from roadseg.train.options import TrainOptions
from roadseg.train.progress import scores_text
from roadseg.train.step import Step
from roadseg.train.validation import Validation, spec_metrics


class Trainer(Loop):
    """A run that learns labels, and keeps the network that does best on those held back.

    start: the checkpoint of the artefact's network that it begins with, if it does.
    """

    def __init__(
        self,
        options: TrainOptions,
        step: Step,
        batches: Batches,
        validation: Validation,
    ) -> None:
        super().__init__(options, step, batches)
        self.validation = validation
        self.matrix = ConfusionMatrix(len(self.spec.classes))
        self.start: tuple[ModelSpec, dict[str, Any]] | None = None

    def keep_start(self, learned: dict[str, Any]) -> None:
        """Keep the network as it is, to be written beside the first epoch.

        learned: what it was trained on before. Its norms are measured on this run's images, so that
        no other file has the weights to average those of the end with.
        """
        state = copy.deepcopy(self.step.average.network.state_dict())
        self.start = self.spec.replace(trained_on=learned, metrics={}), {"average": state}

    def finish_epoch(self, row: dict[str, Any], last: bool) -> None:
        """Validate when it is due, then record the epoch."""
        best = self.state.best
        matrices: list[ConfusionMatrix] = []
        interval = self.validation.interval(self.options, self.spec, self.batches)
        if last or self.state.epoch % interval == 0:
            found, matrices = self.validation.score(self.step.average.network, self.spec)
            self.matrix = total(matrices, len(self.spec.classes))
            row |= found
            self.spec = self.spec.replace(metrics=spec_metrics(row))
        self.record(row)
        if rank() == 0:
            self.write(matrices, is_best=row.get("miou", -1.0) > best)
        told = f"loss {row['loss']:.4f}{scores_text(row)}"
        self.progress.epoch(told, self.state, self.options, last or self.is_exhausted())

    def write(self, matrices: Sequence[ConfusionMatrix], is_best: bool) -> None:
        """Write metrics, pictures after a validation, and checkpoints."""
        network, images = self.step.average.network, self.validation.images
        # Before the checkpoint: when killed in between, the epoch is done again and all is renewed.
        self.outputs.write_records(self.state.history)
        if matrices:
            self.outputs.draw(self.state.history, network, self.spec, images, matrices)
        if self.start:
            checkpoint.save(self.options.out / checkpoint.START, *self.start)
            self.start = None
        if is_best:  # what using the network needs
            average = {"average": network.state_dict()}
            path = self.options.out / checkpoint.BEST
            checkpoint.save(path, self.spec, self.content() | average)
        self.save_last(matrix=torch.from_numpy(self.matrix.counts))

    def resume(self, path: Path) -> dict[str, Any]:
        """See Loop."""
        content = super().resume(path)
        self.matrix.counts = np.asarray(content["matrix"].numpy())
        return content

    def end(self) -> None:
        """Tell the best epoch's scores, and how to export it."""
        self.progress.end(self.state, self.options)
