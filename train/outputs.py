"""What a run leaves beside its checkpoints: recipe, metrics, plots, sheet, TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.files import write_text
from roadseg.runtime.spec import ModelSpec
from roadseg.train.evaluation import predict, total
from roadseg.train.labels import LabelledImages
from roadseg.train.networks import Network
from roadseg.train.recipe import RECIPE

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

METRICS = "metrics.jsonl"
PICTURES = CURVES, CONFUSION, PREDICTIONS = "curves.png", "confusion.png", "predictions.png"
SCALARS = ("loss", "lr", "images_per_s", "miou", "pixel_accuracy")


class Outputs:
    """Files in the folder of a run.

    All but TensorBoard's are written anew from the whole history, so that what an interruption
    made be done twice is there once.

    recipe: TOML that gives the run again.
    """

    def __init__(self, folder: Path, recipe: str) -> None:
        self.folder, self.recipe = folder, recipe
        self.board: SummaryWriter | None = None

    def write_records(self, history: Sequence[dict[str, Any]]) -> None:
        """Write the recipe, all epochs to metrics.jsonl, the last one's scalars to TensorBoard.

        The recipe with each epoch: a run that never got so far leaves nothing.
        """
        write_text(self.folder / RECIPE, self.recipe)
        write_text(self.folder / METRICS, "".join(json.dumps(row) + "\n" for row in history))
        row = history[-1]
        self.board = self.board or self._open_board(row["epoch"])
        if self.board is None:
            return
        scalars = {f"iou/{name}": value for name, value in row.get("iou", {}).items()}
        scalars |= {name: row[name] for name in SCALARS if name in row}
        for name, value in scalars.items():
            self.board.add_scalar(name, value, row["epoch"])
        self.board.flush()

    def draw_curves(self, history: Sequence[dict[str, Any]]) -> None:
        """Draw the learning curves."""
        from roadseg.train.plots import draw_curves

        draw_curves(history, self.folder / CURVES)

    def draw(
        self,
        history: Sequence[dict[str, Any]],
        network: Network,
        spec: ModelSpec,
        images: LabelledImages,
        matrices: Sequence[ConfusionMatrix],
    ) -> None:
        """Draw the plots and the sheet; `matrices` has the confusion of each image."""
        from roadseg.train.plots import draw_confusion
        from roadseg.train.sheet import choose_rows, draw_sheet

        self.draw_curves(history)
        whole = total(matrices, len(spec.classes))
        draw_confusion(whole, spec.class_names, self.folder / CONFUSION)
        rows = []
        for index in choose_rows(matrices):
            image, mask = images[index]
            caption = f"{images.samples[index].name}   mIoU {100 * matrices[index].miou:.1f} %"
            rows.append((caption, image, mask, predict(network, spec, image)))
        draw_sheet(rows, spec.classes, self.folder / PREDICTIONS)

    def close(self) -> None:
        """Close TensorBoard."""
        if self.board is not None:
            self.board.close()

    def _open_board(self, epoch: int) -> SummaryWriter | None:
        """Open TensorBoard where it is installed; an older run's later epochs are struck out."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return None
        return SummaryWriter(self.folder / "tensorboard", purge_step=epoch)
