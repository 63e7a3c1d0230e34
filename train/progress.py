"""What a run says while it trains: a line for each epoch, and a live one on a terminal."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

from roadseg.train.checkpoint import BEST
from roadseg.train.options import TrainOptions
from roadseg.train.outputs import PICTURES

if TYPE_CHECKING:
    from roadseg.train.loop import State


class Progress:
    """Prints to stdout; the live line is only drawn on a terminal."""

    def __init__(self) -> None:
        self.tty = sys.stdout.isatty()

    def live(self, epoch: int, share: float, loss: float, speed: float, left_s: float) -> None:
        """Redraw the live line."""
        if self.tty:
            line = f"epoch {epoch}  {share:4.0%}  loss {loss:.3f}  {speed:.1f} images/s"
            print(f"\r{line}  {clock(left_s)} left\033[K", end="", flush=True)

    def epoch(self, told: str, state: State, options: TrainOptions, last: bool) -> None:
        """Print the line of the epoch that was just done; told: what it reached."""
        row = state.history[-1]
        share = row["epoch"] / options.epochs
        if options.max_minutes:
            share = max(share, state.elapsed_s / options.max_minutes / 60)
        left = 0.0 if last else state.elapsed_s * (1 / share - 1)
        line = f"epoch {row['epoch']:3d}  {told}"
        self.line(f"{line}  {row['images_per_s']:.1f} images/s  {clock(left)} left")

    def line(self, line: str) -> None:
        """Print a line that stays, in the live one's place."""
        self.clear()
        print(line, flush=True)

    def clear(self) -> None:
        """Take the live line away."""
        if self.tty:
            print("\r\033[K", end="", flush=True)

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


def scores_text(row: dict[str, Any]) -> str:
    """Return an epoch's validation scores, in percent; as much space where it has none."""
    text = f"  mIoU {100 * row['miou']:5.2f}" if "miou" in row else " " * 12
    for name, other in row.get("others", {}).items():
        text += f"  {name} {100 * other['miou']:5.2f}"
    return text


def clock(seconds: float) -> str:
    """Return "1:02:03" or "2:03"."""
    minutes, second = divmod(round(max(0.0, seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
