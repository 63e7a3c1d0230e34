"""Biases of a network's head that make the most of mIoU, fitted after training.

A loss with class weights gives seldom classes too many pixels, one without gives them too few. A
constant added to each class's logit moves the balance (post-hoc logit adjustment; Menon et al.,
ICLR 2021). There it is the class's log share; here it is fitted to mIoU, on pixels of training
images, by coordinate ascent. A network of several data sets is fitted to the mean of their mIoU. It
costs nothing when the network runs.

    python -m roadseg.train.logit_adjustment OUT.pt runs/roads/best.pt --data camvid:FOLDER
"""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import MissingExtra, UsageError, run_cli
from roadseg.runtime.files import check_writable
from roadseg.runtime.options import parse_options
from roadseg.runtime.spec import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor

    from roadseg.train.labels import LabelledImages
    from roadseg.train.miou_biases import Biases, Sampled
    from roadseg.train.networks import Network

COMMAND = "logit_adjustment"
NORM_IMAGES = 32  # that an artefact's norms are measured on


@dataclass(frozen=True)
class LogitAdjustmentOptions:
    """Fit the biases of a network's head to mIoU; write a checkpoint for --weights and seg-export.

    out: checkpoint to write.
    model: a checkpoint, a float ONNX artefact, or a shipped network's name.
    data: data sets as seg-train takes them; their mIoU counts alike.
    split: to fit on.
    val_split: to report on, besides.
    holdout: groups (drives) that are not fitted to; they are reported on instead.
    label_maps: one for each data set, as seg-train takes them.
    classes: all, or one class's name: that class against all others.
    images: of each data set and split, at most, spread over it.
    threads: PyTorch's; 0 leaves it to PyTorch.
    """

    out: Path
    model: str
    data: tuple[str, ...]
    split: str = "train"
    val_split: str = "val"
    holdout: tuple[str, ...] = ()
    label_maps: tuple[str, ...] = ()
    classes: str = "all"
    images: int = 400
    threads: int = 0

    def __post_init__(self) -> None:
        """Check what no data set is needed for."""
        if self.images < 1:
            raise UsageError(f"images is {self.images}: give 1 or more")


def adjust(options: LogitAdjustmentOptions) -> ModelSpec:
    """Fit the biases, tell what they are worth, and write a checkpoint; return its ModelSpec.

    Raises ModelError for what is no network to train, UsageError for data of other classes and
    where out cannot be written, DataError for data without labels.
    """
    import torch

    from roadseg.train.checkpoint import save
    from roadseg.train.labels import open_splits
    from roadseg.train.miou_biases import fit_biases, sample_pixels

    network, spec, is_folded = open_network(options.model)
    splits = options.split, options.val_split, options.holdout
    training, validation = open_splits(options.data, *splits, options.classes, options.label_maps)
    check_classes(spec, training[0], options.model)
    check_writable(options.out)
    if is_folded:
        _measure_norms(network, spec, training[0])
    seen = [sample_pixels(network, spec, each, options.images, "fit to") for each in training]
    unseen = [sample_pixels(network, spec, each, options.images, "check") for each in validation]
    biases, names = fit_biases(seen), spec.class_names
    _tell(spec, biases, {"fitted": seen, "validated": unseen})
    head = network.head.bias
    assert head is not None  # no norm follows a head
    head += torch.from_numpy(biases)
    before = spec.trained_on.get("logit_adjustment", {})
    told = {name: float(b) + before.get(name, 0.0) for name, b in zip(names, biases, strict=True)}
    spec = spec.replace(trained_on=spec.trained_on | {"logit_adjustment": told}, metrics={})
    save(options.out, spec, {"average": network.state_dict()})
    return spec


def open_network(model: str) -> tuple[Network, ModelSpec, bool]:
    """Open a checkpoint or a float artefact; and whether its norms still have to be measured."""
    from roadseg.train.checkpoint import load_checkpoint
    from roadseg.train.networks.artifact_weights import load_artifact_weights
    from roadseg.train.start import starting_artifact

    artifact = starting_artifact(model)
    if artifact is None:
        checkpoint = load_checkpoint(model)
        return checkpoint.network, checkpoint.spec, False
    spec = read_artifact(artifact)[1]
    network, config = load_artifact_weights(artifact, len(spec.classes))
    return network.eval().requires_grad_(False), spec.replace(network=config), True


def check_classes(spec: ModelSpec, images: LabelledImages, model: str) -> None:
    """Raise UsageError when the data's classes are not those that a network gives."""
    asked = tuple(info.name for info in images.classes.classes)
    if spec.class_names != asked:
        raise UsageError(
            f"{model} tells apart {', '.join(spec.class_names)}; the data {', '.join(asked)}: "
            "give the data that it learned from, in the same order, with the same label maps"
        )


def _measure_norms(network: Network, spec: ModelSpec, images: LabelledImages) -> None:
    from roadseg.train.evaluation import network_input
    from roadseg.train.networks.artifact_weights import measure_norms

    def inputs() -> Iterator[Tensor]:
        for place in range(0, len(images), -(-len(images) // NORM_IMAGES)):
            yield network_input(network, spec, images[place][0])

    measure_norms(network, inputs())


def _tell(spec: ModelSpec, biases: Biases, samples: dict[str, Sequence[Sampled]]) -> None:
    """Print each class's bias, and the mIoU without and with them."""
    width = max(map(len, spec.class_names))
    for name, bias in zip(spec.class_names, biases, strict=True):
        print(f"{name:{width}}  {bias:+.2f}")
    for what, each in ((what, each) for what, group in samples.items() for each in group):
        before, after = (100 * each.miou(added) for added in (0 * biases, biases))
        print(f"{each.name}, {what}: mIoU {before:.2f} -> {after:.2f} ({each.labels.size} pixels)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""

    def body() -> None:
        options = parse_options(COMMAND, LogitAdjustmentOptions, argv, ["out", "model"])
        if importlib.util.find_spec("torch") is None:
            raise MissingExtra("torch", "train", COMMAND)
        import torch

        if options.threads:
            torch.set_num_threads(options.threads)
        adjust(options)
        command = ["seg-export", str(options.out), "--int8", "--data", options.data[0]]
        print(f"wrote {options.out}\nnext: {shlex.join(command)}")

    return run_cli(COMMAND, body)


if __name__ == "__main__":
    sys.exit(main())
