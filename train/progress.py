"""What a run says while it trains: a line for each epoch, and a live one on a terminal."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

from roadseg.train.checkpoint import BEST
from roadseg.train.options import TrainOptions
from roadseg.train.outputs import PICTURES

if TYPE_CHECKING:
    from roadseg.train.trainer import State


class Progress:
    """Prints to stdout; the live line is only drawn on a terminal."""

    def __init__(self) -> None:
        self.tty = sys.stdout.isatty()

    def live(self, epoch: int, share: float, loss: float, speed: float, left_s: float) -> None:
        """Redraw the live line."""
        if self.tty:
            line = f"epoch {epoch}  {share:4.0%}  loss {loss:.3f}  {speed:.1f} images/s"
            print(f"\r{line}  {clock(left_s)} left\033[K", end="", flush=True)

    def epoch(self, row: dict[str, Any], state: State, options: TrainOptions, last: bool) -> None:
        """Print an epoch's line."""
        score = f"  mIoU {100 * row['miou']:5.2f}" if "miou" in row else " " * 12
        for name, other in row.get("others", {}).items():
            score += f"  {name} {100 * other['miou']:5.2f}"
        share = row["epoch"] / options.epochs
        if options.max_minutes:
            share = max(share, state.elapsed_s / options.max_minutes / 60)
        left = 0.0 if last else state.elapsed_s * (1 / share - 1)
        line = f"epoch {row['epoch']:3d}  loss {row['loss']:.4f}{score}"
        self.line(f"{line}  {row['images_per_s']:.1f} images/s  {clock(left)} left")

    def line(self, line: str) -> None:
        """Print a line that stays, in the live one's place."""
        print(("\r\033[K" if self.tty else "") + line, flush=True)

    def end(self, state: State, options: TrainOptions) -> None:
        """Print the best epoch's IoU by class, where the pictures are, and what to do next."""
        best = max((row for row in state.history if "miou" in row), key=lambda row: row["miou"])
        width = max(len("mean IoU"), *map(len, best["iou"]))
        for name, value in best["iou"].items():
            print(f"{name:{width}}  {100 * value:5.1f}")
        print(f"{'mean IoU':{width}}  {100 * best['miou']:5.1f}  (best, epoch {best['epoch']})")
        print("pictures: " + ", ".join(str(options.out / name) for name in PICTURES))
        command = ["seg-export", str(options.out / BEST), "--int8", "--data", options.data[0]]
        print("next: " + shlex.join(command), flush=True)


def clock(seconds: float) -> str:
    """Return "1:02:03" or "2:03"."""
    minutes, second = divmod(round(max(0.0, seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
