"""seg-train: data set -> checkpoint."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

from roadseg.runtime.errors import MissingExtra, run_cli
from roadseg.runtime.options import parse_options
from roadseg.train.options import TrainOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_cli("seg-train", lambda: _train(argv))


def _train(argv: Sequence[str] | None) -> int:
    options = parse_options("seg-train", TrainOptions, argv)
    for package in ("torch", "timm", "matplotlib"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "train", "seg-train")
    if options.pretrain == "denoise":
        from roadseg.train.denoising import pretrain

        pretrain(options)
        return 0
    from roadseg.train.run import train

    train(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
