"""One network out of several checkpoints of it: the weighted mean of their weights.

Model soups (Wortsman et al., ICML 2022); of a network before and after it learned from further
data, WiSE-FT (Wortsman et al., CVPR 2022): more of what it knew is kept, at no cost when it runs.
The checkpoints must have one start in common; between networks that began apart the mean is noise.

    python -m roadseg.train.averaging runs/both.pt runs/camvid/last.pt:0.3 runs/joint/last.pt:0.7
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadseg.runtime.errors import MissingExtra, UsageError, run_cli
from roadseg.runtime.files import check_writable
from roadseg.runtime.options import parse_options
from roadseg.runtime.spec import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor

COMMAND = "averaging"


@dataclass(frozen=True)
class AveragingOptions:
    """Average the weights of checkpoints of one network into one, for --weights and seg-export.

    out: checkpoint to write.
    parts: checkpoints, each with its share, such as last.pt:0.7; shares are divided by their sum.
    folded: average convolutions times their norms' scales, as export folds them: the mean of what
        the networks compute with. Better for some runs and worse for others: score both.
    """

    out: Path
    parts: tuple[str, ...]
    folded: bool = False


def average_checkpoints(
    parts: Sequence[tuple[Path, float]], out: Path, folded: bool = False
) -> ModelSpec:
    """Write the mean of checkpoints' weights and batch-norm statistics; return its ModelSpec.

    parts: each with its share, more than 0. The spec is the last one's, without its scores; it
        tells of all.
    folded: with the scales of norms in the convolutions before them (networks/folding.py).
    Raises UsageError for checkpoints of different networks or classes and where out cannot be
    written, ModelError for what is no checkpoint.
    """
    from roadseg.train.checkpoint import load_checkpoint, save
    from roadseg.train.networks.folding import fold_scales, spreads

    loaded = [load_checkpoint(path) for path, _ in parts]
    last = loaded[-1].spec
    for (path, _), each in zip(parts, loaded, strict=True):
        check_alike(path, each.spec, parts[-1][0], last)
    check_writable(out)
    whole = sum(share for _, share in parts)
    shares = [share / whole for _, share in parts]
    if folded:
        variances = spreads(loaded[-1].network)
        for each in loaded:
            fold_scales(each.network, variances)
    states = [each.network.state_dict() for each in loaded]
    average = {name: mean([state[name] for state in states], shares) for name in states[-1]}
    learned = provenance([each.spec for each in loaded], [path for path, _ in parts], shares)
    spec = last.replace(trained_on=learned, metrics={})
    save(out, spec, {"average": average})
    return spec


def provenance(
    specs: Sequence[ModelSpec], paths: Sequence[Path], shares: Sequence[float]
) -> dict[str, Any]:
    """Return what the average learned from: what the last one did, with the drives of all."""
    learned = [spec.trained_on for spec in specs]
    groups = dict.fromkeys(group for each in learned for group in each.get("groups", ()))
    held = [group for group in learned[-1].get("holdout", ()) if group not in groups]
    told = [
        {"file": f"{path.parent.name}/{path.name}", "share": round(share, 4)}
        | {"dataset": each.get("dataset", "")}
        for path, share, each in zip(paths, shares, learned, strict=True)
    ]
    return learned[-1] | {"groups": list(groups), "holdout": held, "averaged": told}


def check_alike(path: Path, spec: ModelSpec, other: Path, wanted: ModelSpec) -> None:
    """Raise UsageError for a checkpoint whose weights cannot be averaged with the other's."""
    from roadseg.train.networks import complete_config

    if complete_config(spec.network) != complete_config(wanted.network):
        raise UsageError(f"{path} and {other} are of different networks or options of it")
    for what in ("classes", "quantization", "mean", "scale", "color_order"):
        if getattr(spec, what) != getattr(wanted, what):
            raise UsageError(f"{path} and {other} differ in {what}: average alike ones")


def mean(tensors: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Return the weighted mean, computed in float64; counts, such as of batches, are the last's."""
    if not tensors[-1].is_floating_point():
        return tensors[-1]
    pairs = zip(tensors, shares, strict=True)
    total = sum(tensor.double() * share for tensor, share in pairs)
    return total.to(tensors[-1].dtype)  # type: ignore[union-attr]


def parse_part(word: str) -> tuple[Path, float]:
    """Read FILE:SHARE; raises UsageError for a share that is no number of more than 0."""
    path, _, told = word.rpartition(":")
    try:
        share = float(told)
    except ValueError:
        share = math.nan
    if not path or not math.isfinite(share) or share <= 0:
        raise UsageError(f"{word}: give a checkpoint and its share, such as runs/last.pt:0.7")
    return Path(path), share


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""

    def body() -> None:
        options = parse_options(COMMAND, AveragingOptions, argv, ["out", "parts"])
        if importlib.util.find_spec("torch") is None:
            raise MissingExtra("torch", "train", COMMAND)
        parts = [parse_part(word) for word in options.parts]
        if len(parts) < 2:
            raise UsageError("averaging takes two checkpoints or more")
        spec = average_checkpoints(parts, options.out, options.folded)
        print(f"wrote {options.out}: {spec.name}, the mean of {len(parts)} checkpoints")

    return run_cli(COMMAND, body)


if __name__ == "__main__":
    sys.exit(main())
