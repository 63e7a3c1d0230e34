"""Denoising as pre-training of backbone and decoder (Brempong et al., 2022): no labels needed.

The network is given a crop with noise and gives the noise back. The paper's networks answer for
each pixel. These answer for each cell of stride x stride pixels, with fewer channels than a cell
has values: so the noise is one colour for each cell, and the head has three channels.
With --backbone-lr 0 the backbone's weights stay, and the decoder alone learns (DDeP).
"""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate, mse_loss

from roadseg.runtime.errors import RoadsegError, UsageError
from roadseg.runtime.files import atomic_path
from roadseg.runtime.spec import ModelSpec
from roadseg.train.batches import Batches
from roadseg.train.evaluation import normalize
from roadseg.train.networks import Network
from roadseg.train.optimization import MovingAverage, build_optimizer, lr_factor, set_lr
from roadseg.train.options import TrainOptions
from roadseg.train.progress import Progress, clock
from roadseg.train.run import (
    build_batches,
    check_crop,
    choose_device,
    open_training,
    own_size,
)
from roadseg.train.seed import seed_all
from roadseg.train.start import start_network

NOISE = 0.22  # its deviation; pixels are -1 to 1. The paper's best
DENOISED = "denoised.pt"
# What the loop here does not do: its steps are plain ones in float32.
FIXED = {"clip": (0.0,), "accumulate": (1,), "amp": ("auto", "off"), "compile": (False,)}


class Denoiser:
    """A network that learns to tell noise from picture.

    network: its head gives three channels.
    spec: for the normalisation of its input.
    """

    def __init__(self, options: TrainOptions, network: Network, spec: ModelSpec) -> None:
        self.options, self.network, self.spec = options, network, spec
        self.device = next(network.parameters()).device
        self.optimizer = build_optimizer(network, options)
        self.average = MovingAverage(network, options.ema)
        self.steps = 0

    def fit(self, batches: Batches) -> None:
        """Train for all epochs, or as long as the minutes last; write denoised.pt after each."""
        self.network.train()
        start, total = time.monotonic(), self.options.epochs * len(batches)
        limit = self.options.max_minutes * 60 or math.inf
        progress = Progress()
        for epoch in range(self.options.epochs):
            losses: list[float] = []
            for images, _ in batches.epoch(epoch):
                share = max(self.steps / total, (time.monotonic() - start) / limit)
                warm = (self.steps + 1) / max(1.0, self.options.warmup * len(batches))
                set_lr(self.optimizer, lr_factor(self.options.schedule, share, warm))
                losses.append(self.step(torch.from_numpy(images).to(self.device)))
                spent = time.monotonic() - start
                share = max(self.steps / total, spent / limit)
                mean, left = sum(losses) / len(losses), spent * max(0.0, 1 / share - 1)
                speed = self.steps * batches.batch_size / spent
                progress.live(epoch + 1, share, mean, speed, left)
                if share >= 1:
                    break
            told = f"epoch {epoch + 1:3d}  {mean:.3f} of the noise is left"
            progress.line(f"{told}  {speed:.1f} images/s  {clock(left)} left")
            self.save(self.options.out / DENOISED)
            if share >= 1:
                return

    def step(self, images: Tensor) -> float:
        """Do one optimizer step on (N, H, W, 3) uint8; return the share of noise not told."""
        loss = self.loss(normalize(images, self.spec))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.steps += 1
        self.average.update(self.network, self.steps)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise RoadsegError(f"the loss is {value} in step {self.steps}: try a lower --lr")
        return value

    def loss(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W), normalised -> the mean square error of the noise; 1 when none is told."""
        count, _, height, width = pictures.shape
        stride = self.network.stride
        cells = count, 3, height // stride, width // stride
        noise = torch.randn(cells, device=pictures.device)
        full = interpolate(noise, scale_factor=stride, mode="nearest")
        # Scaled so that pictures and noise together have the pictures' own range.
        return mse_loss(self.network((pictures + NOISE * full) / math.sqrt(1 + NOISE**2)), noise)

    def save(self, path: Path) -> None:
        """Write the averaged weights without the head, as --weights takes them."""
        state = self.average.network.state_dict()
        kept = {name: value.cpu() for name, value in state.items() if not name.startswith("head.")}
        with atomic_path(path) as part:
            torch.save(kept, part)


def pretrain(options: TrainOptions) -> Denoiser:
    """Pre-train on the images of the data sets, held-out ones left out, and unlabelled frames."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UsageError("pretrain runs in one process: start it without torchrun")
    for name, known in FIXED.items():
        if getattr(options, name) not in known:
            raise UsageError(f"pretrain does not know {name}: leave --{name} out")
    if (options.out / DENOISED).exists():
        raise UsageError(f"{options.out} has a {DENOISED} already: give another --out")
    if options.threads:
        torch.set_num_threads(options.threads)
    seed_all(options.seed)
    training, _ = open_training(options)
    start = start_network(options, classes=3)
    network = start.network
    network.to(choose_device(options.device)).to(memory_format=torch.channels_last)
    size = options.size or own_size(training[0], network.multiple)
    batches = build_batches(options, training, size)
    check_crop(options.crop, network, batches.batch_size)
    classes = training[0].classes.classes
    spec = ModelSpec(start.config["architecture"], classes, size.width, size.height)
    frames = sum(len(part) for part in batches.parts)
    print(f"{spec.name}, weights {start.origin}: denoising {frames} frames, in {options.out}")
    denoiser = Denoiser(options, network, spec)
    denoiser.fit(batches)
    print(f"next: --weights {options.out / DENOISED}")
    return denoiser
