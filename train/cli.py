"""seg-train: data set -> checkpoint."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence

from roadseg.runtime.errors import MissingExtra, UsageError, run_cli
from roadseg.runtime.options import parse_options
from roadseg.train.options import TrainOptions
from roadseg.train.recipe import with_recipe


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    return run_cli("seg-train", lambda: _train(argv))


def _options(argv: Sequence[str]) -> TrainOptions:
    """Parse; of several processes on a machine, the first one tells what is wrong."""
    try:
        return parse_options("seg-train", TrainOptions, with_recipe(argv))
    except UsageError as error:
        if int(os.environ.get("LOCAL_RANK", 0)):
            sys.exit(error.exit_code)
        raise


def _train(argv: Sequence[str] | None) -> int:
    options = _options(sys.argv[1:] if argv is None else argv)
    for package in ("torch", "timm", "matplotlib"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "train", "seg-train")
    if options.show_augmentation:
        from roadseg.train.augmentation_sheet import show_augmentation

        print(f"wrote {show_augmentation(options)}")
    elif options.pretrain == "denoise":
        from roadseg.train.denoising import pretrain

        pretrain(options)
    else:
        from roadseg.train.run import train

        train(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
