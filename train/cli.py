"""seg-train: data set -> checkpoint."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

from roadseg.runtime.errors import MissingExtra, run_cli
from roadseg.runtime.options import parse_options
from roadseg.train.options import TrainOptions
from roadseg.train.recipe import with_recipe


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_cli("seg-train", lambda: _train(argv))


def _train(argv: Sequence[str] | None) -> int:
    words = with_recipe(sys.argv[1:] if argv is None else argv)
    options = parse_options("seg-train", TrainOptions, words)
    for package in ("torch", "timm", "matplotlib"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "train", "seg-train")
    from roadseg.train.run import train

    train(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
