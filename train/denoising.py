"""Denoising as pre-training of backbone and decoder (Brempong et al., 2022): no labels needed.

The network is given a crop with noise and gives the noise back. The paper's networks answer for
each pixel. These answer for each cell of stride x stride pixels, with fewer channels than a cell
has values: so the noise is one colour for each cell, and the head has three channels.
With --backbone-lr 0 the backbone's weights stay, and the decoder alone learns (DDeP).
"""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from roadseg.runtime.files import atomic_path
from roadseg.runtime.spec import ModelSpec
from roadseg.train.batches import Batch
from roadseg.train.checkpoint import DENOISED, DENOISING
from roadseg.train.distributed import rank, whole_batch, world_size
from roadseg.train.evaluation import normalize
from roadseg.train.inputs import open_training
from roadseg.train.loop import Loop
from roadseg.train.networks import Network
from roadseg.train.options import TrainOptions
from roadseg.train.run import carry_out, fit_together, settle
from roadseg.train.seed import mixed_seed, seed_all
from roadseg.train.start import start_network, starting_artifact
from roadseg.train.step import Step

NOISE = 0.22  # its deviation; pixels are -1 to 1. The paper's best
# Options that the training after it has to share, or had better.
SHARED = {"data", "split", "val_split", "holdout", "label_maps", "classes"}
SHARED |= {"network", "backbone", "network_options", "size", "crop"}


class DenoisingStep(Step):
    """One optimizer step of a network, whose head gives three channels, towards the noise.

    random: draws the noise of the whole batch in each process: their number changes nothing.
    """

    def __init__(self, options: TrainOptions, network: Network, spec: ModelSpec) -> None:
        super().__init__(options, network, spec, nn.MSELoss())
        self.random = torch.Generator()

    def __call__(self, batch: Batch, number: int, lr_factor: float) -> Tensor:
        """See Step; the noise is a function of seed and step."""
        self.random.manual_seed(mixed_seed(self.options.seed, number))
        return super().__call__(batch, number, lr_factor)

    def piece_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the mean square error of the noise, 1 when none is told; labels are not used."""
        with self.time("forward"):
            noisy, noise = self.disturb(normalize(images, self.spec))
            with self.autocast():
                told = self.forward(noisy)
        with self.time("loss"):
            loss: Tensor = self.loss(whole_batch(told), whole_batch(noise))
            return loss

    def disturb(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return pictures (N, 3, H, W) with noise, and the noise (N, 3, H/stride, W/stride)."""
        count, _, height, width = pictures.shape
        stride = self.network.stride
        cells = count * world_size(), 3, height // stride, width // stride
        noise = torch.randn(cells, generator=self.random)[rank() :: world_size()]
        noise = noise.to(pictures.device)
        full = interpolate(noise, scale_factor=stride, mode="nearest")
        # Scaled so that pictures and noise together have the pictures' own range.
        return (pictures + NOISE * full) / math.sqrt(1 + NOISE**2), noise


class Denoiser(Loop):
    """A run that learns to tell noise from picture."""

    kind = DENOISING

    def finish_epoch(self, row: dict[str, Any], last: bool) -> None:
        """Record the epoch; write records, curves and weights, and last the checkpoint."""
        self.record(row)
        if rank() == 0:
            self.outputs.write_records(self.state.history)
            self.outputs.draw_curves(self.state.history)
            self.write_weights(self.options.out / DENOISED)
            self.save_last()
        told = f"{row['loss']:.3f} of the noise is left"
        self.progress.epoch(told, self.state, self.options, last)

    def write_weights(self, path: Path) -> None:
        """Write the averaged weights without the head, as --weights takes them."""
        state = self.step.average.network.state_dict()
        kept = {name: value.cpu() for name, value in state.items() if not name.startswith("head.")}
        with atomic_path(path) as part:
            torch.save(kept, part)

    def end(self) -> None:
        """Tell the command of the training."""
        print(f"next: {next_command(self.options, self.spec.network)}", flush=True)


def next_command(options: TrainOptions, config: dict[str, Any]) -> str:
    """Return the command that trains the same network from what it learned here.

    config: of the network, which an artefact may have brought with it.
    """
    if starting_artifact(options.weights):
        inner = {name: value for name, value in config.items() if name != "architecture"}
        network = {"network": config["architecture"], "network_options": json.dumps(inner)}
        options = dataclasses.replace(options, **network, backbone="")
    words = ["seg-train"]
    for entry in dataclasses.fields(options):
        value = getattr(options, entry.name)
        if entry.name in SHARED and value != entry.default:
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            words += [f"--{entry.name.replace('_', '-')}", text]
    words += ["--weights", str(options.out / DENOISED), "--out", f"{options.out}-trained"]
    return shlex.join(words)


def prepare_denoising(options: TrainOptions) -> Denoiser:
    """Open the images of the data sets, held-out ones left out, and unlabelled frames."""
    seed_all(options.seed)
    training, validation = open_training(options)
    start = start_network(options, classes=3)
    spec, batches = fit_together(options, start, training, validation)
    frames = sum(len(part) for part in batches.parts)
    origin = f", weights {start.origin}" if start.origin else ""
    print(f"{spec.name}{origin}: denoising {frames} frames, run in {options.out}", flush=True)
    settle(start, spec, batches)
    return Denoiser(options, DenoisingStep(options, start.network, spec), batches)


def pretrain(options: TrainOptions) -> Denoiser:
    """Pre-train as told; returns the run at its end."""
    return carry_out(options, prepare_denoising)
