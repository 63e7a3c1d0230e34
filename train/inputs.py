"""What a run learns from: its data sets, as batches of augmented crops."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec
from roadseg.train.augmentation import Augmentation
from roadseg.train.batches import Batch, Batches, share_batch
from roadseg.train.distributed import world_size
from roadseg.train.evaluation import normalize
from roadseg.train.labels import LabelledImages, open_splits
from roadseg.train.networks import Network
from roadseg.train.options import TrainOptions
from roadseg.train.teaching import teaching_provenance, unlabelled_count
from roadseg.train.unlabelled import open_unlabelled

NORM_BATCHES = 8  # that the norms of an artefact's network are measured on


def open_training(
    options: TrainOptions,
) -> tuple[list[LabelledImages], list[LabelledImages]]:
    """Return the images of each data set to train on, and those to validate on."""
    return open_splits(
        options.data,
        options.split,
        options.val_split,
        options.holdout,
        options.classes,
        options.label_maps,
    )


def build_batches(options: TrainOptions, training: Sequence[LabelledImages], size: Size) -> Batches:
    """Return the batches of augmented crops; scale 1 is `size`.

    Raises UsageError for a batch that is too small for the data sets.
    """
    parts: list[Sequence[Batch]] = list(training)
    extra = (unlabelled_count(options),) if options.unlabelled else ()
    mix = options.mix or share_batch(options.batch_size - sum(extra), len(training))
    if not min(mix):
        raise UsageError(
            f"batch_size {options.batch_size} has no image for each of {len(training)} data sets: "
            "give a larger --batch-size"
        )
    if options.unlabelled:
        parts.append(open_unlabelled(options.unlabelled))
    return Batches(
        parts,
        build_augmentation(options),
        (size.width, size.height),
        (*mix, *extra),
        options.seed,
        options.workers,
    )


def build_augmentation(options: TrainOptions) -> Augmentation:
    """Return what happens to training images."""
    names = ("aspect", "flip", "rotation", "elastic", "weather", "blur", "noise", "jpeg", "cutmix")
    own = {name: getattr(options, name) for name in names}
    crop, scales = options.crop, (options.scale_min, options.scale_max)
    return Augmentation(crop.width, crop.height, scales, color_jitter=options.color, **own)


def norm_inputs(batches: Batches, spec: ModelSpec, device: torch.device) -> Iterator[Tensor]:
    """Give a few batches of training images, normalised."""
    for images, _ in itertools.islice(batches.epoch(0), NORM_BATCHES):
        yield normalize(torch.from_numpy(images).to(device), spec)


def own_size(images: LabelledImages, multiple: int) -> Size:
    """Return the first image's size, rounded to what the network takes."""
    height, width = images[0][1].shape
    near = [max(multiple, round(side / multiple) * multiple) for side in (width, height)]
    return Size(near[0], near[1])


def check_shares(batch_size: int, accumulate: int) -> None:
    """Raise UsageError for a batch that cannot be cut into pieces of the same size."""
    if batch_size % (accumulate * world_size()):
        raise UsageError(
            f"batch_size {batch_size} cannot be shared by {world_size()} processes in "
            f"{accumulate} pieces each: give a multiple of {accumulate * world_size()}"
        )


def check_crop(crop: Size, network: Network, batch_size: int) -> None:
    """Raise UsageError for a crop that the network cannot take, or cannot learn from."""
    step = network.multiple
    if crop.width % step or crop.height % step or not (crop.width and crop.height):
        raise UsageError(f"crop {crop}: both sides must be multiples of {step}")
    if batch_size * (crop.width // step) * (crop.height // step) < 2:
        raise UsageError(
            f"crop {crop} in batches of {batch_size}: its deepest feature is one number, which "
            "batch norm cannot learn from; give a larger --crop or --batch-size"
        )


def provenance(
    options: TrainOptions,
    training: Sequence[LabelledImages],
    validation: Sequence[LabelledImages],
) -> dict[str, Any]:
    """Return what a spec says of the data."""
    held = set(options.holdout)
    learned = count_shared(training, validation)
    return {
        "dataset": " + ".join(part.dataset.name for part in training),
        "split": options.split,
        "images": sum(len(part) for part in training),
        "groups": [group for part in training for group in part.groups],
        "holdout": list(options.holdout),
        "val_split": "" if held & set(validation[0].groups) else options.val_split,
        "val_images": len(validation[0]),
        "weights": options.weights if options.weights in ("imagenet", "none") else "file",
        **({"val_images_learned": learned} if learned else {}),
    } | teaching_provenance(options)


def count_shared(training: Sequence[LabelledImages], validation: Sequence[LabelledImages]) -> int:
    """Return how many images to validate on are trained on as well; of rendered ones, none.

    These have names alone, which another set's may have, too.
    """
    seen, checked = (
        [sample.image for part in parts for sample in part.samples if sample.image.is_file()]
        for parts in (training, validation)
    )
    return len(set(seen) & set(checked))
