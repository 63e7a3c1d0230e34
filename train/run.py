"""A run from its options: data, network, starting weights, loop."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec
from roadseg.train.allocator import keep_freed_memory
from roadseg.train.augmentation import Augmentation
from roadseg.train.batches import Batch, Batches, share_batch
from roadseg.train.checkpoint import BEST, LAST
from roadseg.train.distributed import process_group, rank, world_size
from roadseg.train.evaluation import normalize
from roadseg.train.labels import LabelledImages, open_splits
from roadseg.train.losses import DeepSupervision, SegmentationLoss, balanced_weights, sqrt_weights
from roadseg.train.networks import Network
from roadseg.train.networks.artifact_weights import measure_norms
from roadseg.train.options import TrainOptions
from roadseg.train.outputs import METRICS, PICTURES
from roadseg.train.recipe import RECIPE
from roadseg.train.refine import refined_network
from roadseg.train.seed import seed_all
from roadseg.train.start import start_network
from roadseg.train.step import Step
from roadseg.train.step_times import profile_steps, times_table
from roadseg.train.synced_norm import sync_norms
from roadseg.train.teaching import build_distillation, teaching_provenance, unlabelled_count
from roadseg.train.trainer import Trainer
from roadseg.train.unlabelled import open_unlabelled
from roadseg.train.validation import Validation

NORM_BATCHES = 8  # that the norms of an artefact's network are measured on


def train(options: TrainOptions) -> Trainer:
    """Train as told; returns the trainer at its end."""
    if options.threads:
        torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
    with process_group(device):
        trainer = prepare(options)
        if options.profile:
            times = profile_steps(trainer, options.profile)
            print(times_table(times, options.profile, trainer.batches.batch_size))
            return trainer
        if options.resume:
            trainer.resume(options.out / LAST)
            if rank() == 0:
                clear_parts(options.out)
        elif (options.out / LAST).exists():
            raise UsageError(f"{options.out} has a run: go on with --resume, or give another --out")
        kept = options.out / RECIPE
        print(f"options, kept in {kept}:\n{trainer.outputs.recipe}", end="", flush=True)
        trainer.fit()
        return trainer


def clear_parts(folder: Path) -> None:
    """Remove what was half-written when the run was killed."""
    for path in map(Path, (LAST, BEST, METRICS, RECIPE, *PICTURES)):
        for part in folder.glob(f".{path.stem}.*.part{path.suffix}"):
            part.unlink()


def prepare(options: TrainOptions) -> Trainer:
    """Open the data, build the network and load its starting weights."""
    seed_all(options.seed)
    training, validation = open_training(options)
    classes = training[0].classes.classes
    if options.qat or options.prune:
        start = refined_network(options, classes)
    else:
        start = start_network(options, len(classes))
    network = start.network
    network.to(choose_device(options.device)).to(memory_format=torch.channels_last)
    size = options.size or own_size(training[0], network.multiple)
    spec = ModelSpec(
        name=start.config["architecture"],
        classes=classes,
        width=size.width,
        height=size.height,
        multiple=network.multiple,
        stride=network.stride,
        network=start.config,
        trained_on=provenance(options, training, validation),
        quantization=start.quantization,
        versions={"torch": torch.__version__},
    )
    batches = build_batches(options, training, size)
    check_shares(batches.batch_size, options.accumulate)
    check_crop(options.crop, network, batches.batch_size // options.accumulate)
    distillation = build_distillation(options, spec, choose_device(options.device))
    say(options, spec, training, validation, start.origin)
    if start.is_folded:
        measure_norms(network, norm_inputs(batches, spec, choose_device(options.device)))
    batches.share(rank(), world_size())
    sync_norms(network, choose_device(options.device))
    loss = build_loss(options, training, network).to(choose_device(options.device))
    step = Step(options, network, spec, loss, distillation)
    return Trainer(options, step, batches, Validation(validation))


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
    """Return the batches of augmented crops; scale 1 is `size`."""
    parts: list[Sequence[Batch]] = list(training)
    extra = (unlabelled_count(options),) if options.unlabelled else ()
    mix = options.mix or share_batch(options.batch_size - sum(extra), len(training))
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


def choose_device(name: str) -> torch.device:
    """Return the device to train on; of several processes on a machine, each has its own GPU."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("device cuda: PyTorch finds no CUDA device; give --device cpu")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    place, count = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if place >= count:
        raise UsageError(f"process {place + 1} on a machine with {count} GPUs: start fewer")
    torch.cuda.set_device(place)
    return torch.device("cuda", place)


def build_loss(
    options: TrainOptions, training: Sequence[LabelledImages], network: Network
) -> SegmentationLoss | DeepSupervision:
    """Return the loss, its class weights counted over the training masks when asked for."""
    weights = None
    if options.class_weights != "none":
        rule = sqrt_weights if options.class_weights == "sqrt" else balanced_weights
        shares = np.mean([part.class_shares() for part in training], axis=0)
        weights = rule(torch.from_numpy(shares).float())
    classes = training[0].classes
    groups = torch.from_numpy(classes.groups)
    count = len(classes.classes)
    loss = SegmentationLoss(count, network.stride, options.loss, weights, groups)
    if not options.deep_supervision:
        return loss
    return DeepSupervision(loss, network, count, options.deep_supervision)


def provenance(
    options: TrainOptions,
    training: Sequence[LabelledImages],
    validation: Sequence[LabelledImages],
) -> dict[str, Any]:
    """Return what a spec says of the data."""
    held = set(options.holdout)
    return {
        "dataset": " + ".join(part.dataset.name for part in training),
        "split": options.split,
        "images": sum(len(part) for part in training),
        "groups": [group for part in training for group in part.groups],
        "holdout": list(options.holdout),
        "val_split": "" if held & set(validation[0].groups) else options.val_split,
        "val_images": len(validation[0]),
        "weights": options.weights if options.weights in ("imagenet", "none") else "file",
    } | teaching_provenance(options)


def say(
    options: TrainOptions,
    spec: ModelSpec,
    training: Sequence[LabelledImages],
    validation: Sequence[LabelledImages],
    origin: str,
) -> None:
    """Print what is going to be trained."""
    start = f", weights {origin}" if origin else ""
    start += f", taught by {', '.join(options.teacher)}" if options.teacher else ""
    over = f" over {spec.network['backbone']}" if "backbone" in spec.network else ""
    print(
        f"{spec.name}{over}, {len(spec.classes)} classes, "
        f"{spec.width}x{spec.height}, logits at stride {spec.stride}{start}\n"
        f"{_counts(training)} images to train on, {_counts(validation)} to validate on, "
        f"run in {options.out}",
        flush=True,
    )


def _counts(parts: Sequence[LabelledImages]) -> str:
    """Return "367 camvid + 1247 idd_lite", or the number alone of a single data set."""
    if len(parts) == 1:
        return str(len(parts[0]))
    return " + ".join(f"{len(part)} {part.dataset.name}" for part in parts)
