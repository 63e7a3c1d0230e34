"""A run from its options: data, network, starting weights, loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from roadseg.runtime.errors import UsageError
from roadseg.runtime.files import check_folder
from roadseg.runtime.spec import ModelSpec
from roadseg.train.allocator import keep_freed_memory
from roadseg.train.batches import Batches
from roadseg.train.checkpoint import BEST, DENOISED, LAST, START
from roadseg.train.distributed import process_group, rank, world_size
from roadseg.train.inputs import (
    build_batches,
    check_crop,
    check_shares,
    norm_inputs,
    open_training,
    own_size,
    provenance,
)
from roadseg.train.labels import LabelledImages
from roadseg.train.loop import Loop
from roadseg.train.losses import DeepSupervision, SegmentationLoss, balanced_weights, sqrt_weights
from roadseg.train.networks import Network
from roadseg.train.networks.artifact_weights import measure_norms
from roadseg.train.options import TrainOptions
from roadseg.train.outputs import METRICS, PICTURES
from roadseg.train.recipe import RECIPE
from roadseg.train.refine import refined_network
from roadseg.train.seed import seed_all
from roadseg.train.start import Start, start_network
from roadseg.train.step import Step
from roadseg.train.step_times import profile_steps, times_table
from roadseg.train.synced_norm import sync_norms
from roadseg.train.teaching import build_distillation
from roadseg.train.trainer import Trainer
from roadseg.train.validation import Validation

Run = TypeVar("Run", bound=Loop)


def train(options: TrainOptions) -> Trainer:
    """Train as told; returns the trainer at its end."""
    return carry_out(options, prepare)


def carry_out(options: TrainOptions, prepare: Callable[[TrainOptions], Run]) -> Run:
    """Prepare a run, go through with it or with the rest of it, and return it.

    Raises UsageError where it would overwrite another run, cannot write, or there is none to
    resume.
    """
    check_folder(options.out)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
    with process_group(device):
        run = prepare(options)
        if options.profile:
            times = profile_steps(run, options.profile)
            print(times_table(times, options.profile, run.batches.batch_size))
            return run
        if options.resume:
            run.resume(options.out / LAST)
            if rank() == 0:
                clear_parts(options.out)
        elif (options.out / LAST).exists():
            raise UsageError(f"{options.out} has a run: go on with --resume, or give another --out")
        kept = options.out / RECIPE
        print(f"options, kept in {kept}:\n{run.outputs.recipe}", end="", flush=True)
        run.fit()
        return run


def clear_parts(folder: Path) -> None:
    """Remove what was half-written when the run was killed."""
    for path in map(Path, (LAST, BEST, START, DENOISED, METRICS, RECIPE, *PICTURES)):
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
    spec, batches = fit_together(options, start, training, validation)
    distillation = build_distillation(options, spec, choose_device(options.device))
    say(options, spec, training, validation, start.origin)
    settle(start, spec, batches)
    loss = build_loss(options, training, start.network).to(choose_device(options.device))
    step = Step(options, start.network, spec, loss, distillation)
    trainer = Trainer(options, step, batches, Validation(validation))
    if start.learned is not None:
        trainer.keep_start(start.learned)
    return trainer


def fit_together(
    options: TrainOptions,
    start: Start,
    training: Sequence[LabelledImages],
    validation: Sequence[LabelledImages],
) -> tuple[ModelSpec, Batches]:
    """Put the network on its device; return what it is, and the batches that it learns from.

    Raises UsageError for batches that it cannot take.
    """
    network = start.network
    network.to(choose_device(options.device)).to(memory_format=torch.channels_last)
    size = options.size or own_size(training[0], network.multiple)
    spec = ModelSpec(
        name=start.config["architecture"],
        classes=training[0].classes.classes,
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
    return spec, batches


def settle(start: Start, spec: ModelSpec, batches: Batches) -> None:
    """Measure the norms of an artefact's network, and share the work out over the processes."""
    device = next(start.network.parameters()).device
    if start.is_folded:
        measure_norms(start.network, norm_inputs(batches, spec, device))
    batches.share(rank(), world_size())
    sync_norms(start.network, device)


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


def say(
    options: TrainOptions,
    spec: ModelSpec,
    training: Sequence[LabelledImages],
    validation: Sequence[LabelledImages],
    origin: str,
) -> None:
    """Print what is going to be trained."""
    learned = spec.trained_on.get("val_images_learned")
    if learned:
        print(
            f"{learned} of the images to validate on are trained on as well: the validation is not "
            "of roads that nobody has seen; give other splits, or --holdout a drive"
        )
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
