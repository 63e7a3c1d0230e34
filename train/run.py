"""A run from its options: data, network, starting weights, loop."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch

from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import Size
from roadseg.runtime.spec import ModelSpec
from roadseg.train.allocator import keep_freed_memory
from roadseg.train.augmentation import Augmentation
from roadseg.train.batches import Batches
from roadseg.train.checkpoint import BEST, LAST
from roadseg.train.labels import LabelledImages, open_splits
from roadseg.train.losses import SegmentationLoss, balanced_weights, sqrt_weights
from roadseg.train.networks import Network, build_network, complete_config
from roadseg.train.networks.weights import load_weights
from roadseg.train.options import TrainOptions
from roadseg.train.outputs import METRICS, PICTURES
from roadseg.train.trainer import Trainer


def train(options: TrainOptions) -> Trainer:
    """Train as told; returns the trainer at its end."""
    if options.threads:
        torch.set_num_threads(options.threads)
    if choose_device(options.device).type == "cpu":
        keep_freed_memory()
    trainer = prepare(options)
    if options.resume:
        trainer.resume(options.out / LAST)
        clear_parts(options.out)
    elif (options.out / LAST).exists():
        raise UsageError(f"{options.out} has a run: go on with --resume, or give another --out")
    trainer.fit()
    return trainer


def clear_parts(folder: Path) -> None:
    """Remove what was half-written when the run was killed."""
    for path in map(Path, (LAST, BEST, METRICS, *PICTURES)):
        for part in folder.glob(f".{path.stem}.*.part{path.suffix}"):
            part.unlink()


def prepare(options: TrainOptions) -> Trainer:
    """Open the data, build the network and load its starting weights."""
    seed_all(options.seed)
    config = network_config(options)
    training, validation = open_splits(
        options.data, options.split, options.val_split, options.holdout, options.classes
    )
    classes = training.classes.classes
    network = build_network(config, len(classes))
    origin = "" if options.resume else load_weights(network, options.weights)
    device = choose_device(options.device)
    network.to(device).to(memory_format=torch.channels_last)
    size = options.size or own_size(training, network.multiple)
    spec = ModelSpec(
        name=config["architecture"],
        classes=classes,
        width=size.width,
        height=size.height,
        multiple=network.multiple,
        stride=network.stride,
        network=config,
        trained_on=provenance(options, training, validation),
        versions={"torch": torch.__version__},
    )
    check_crop(options.crop, network, min(options.batch_size, len(training)))
    crop = Augmentation(
        options.crop.width, options.crop.height, (options.scale_min, options.scale_max)
    )
    batches = Batches(
        training,
        crop,
        (size.width, size.height),
        options.batch_size,
        options.seed,
        options.workers,
    )
    loss = build_loss(options, training, network).to(device)
    say(options, spec, training, validation, origin)
    return Trainer(options, network, spec, batches, validation, loss)


def seed_all(seed: int) -> None:
    """Seed PyTorch's and Python's random generators; NumPy's are seeded per use."""
    random.seed(seed)
    torch.manual_seed(seed)


def network_config(options: TrainOptions) -> dict[str, Any]:
    """Return the network's config with all defaults written out."""
    text = options.network_options.strip()
    if text and not text.startswith("{"):
        try:
            text = Path(text).read_text()
        except OSError:
            raise UsageError(f"network_options is neither JSON nor a file: {text}") from None
    try:
        chosen = json.loads(text) if text else {}
    except ValueError as error:
        raise UsageError(f"network_options is not JSON ({error})") from None
    return complete_config(
        {"architecture": options.network, "backbone": options.backbone, **chosen}
    )


def own_size(images: LabelledImages, multiple: int) -> Size:
    """Return the first image's size, rounded to what the network takes."""
    height, width = images[0][1].shape
    near = [max(multiple, round(side / multiple) * multiple) for side in (width, height)]
    return Size(near[0], near[1])


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
    """Return the device to train on."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("device cuda: PyTorch finds no CUDA device; give --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def build_loss(
    options: TrainOptions, training: LabelledImages, network: Network
) -> SegmentationLoss:
    """Return the loss, its class weights counted over the training masks when asked for."""
    weights = None
    if options.class_weights != "none":
        rule = sqrt_weights if options.class_weights == "sqrt" else balanced_weights
        weights = rule(torch.from_numpy(training.class_shares()).float())
    return SegmentationLoss(len(training.classes.classes), network.stride, options.dice, weights)


def provenance(
    options: TrainOptions, training: LabelledImages, validation: LabelledImages
) -> dict[str, Any]:
    """Return what a spec says of the data."""
    return {
        "dataset": training.dataset.name,
        "split": options.split,
        "images": len(training),
        "groups": list(training.groups),
        "holdout": list(options.holdout),
        "val_split": "" if options.holdout else options.val_split,
        "val_images": len(validation),
        "weights": options.weights if options.weights in ("imagenet", "none") else "file",
    }


def say(
    options: TrainOptions,
    spec: ModelSpec,
    training: LabelledImages,
    validation: LabelledImages,
    origin: str,
) -> None:
    """Print what is going to be trained."""
    start = f", weights {origin}" if origin else ""
    print(
        f"{spec.name} over {spec.network['backbone']}, {len(spec.classes)} classes, "
        f"{spec.width}x{spec.height}, logits at stride {spec.stride}{start}\n"
        f"{len(training)} images to train on, {len(validation)} to validate on, "
        f"run in {options.out}",
        flush=True,
    )
