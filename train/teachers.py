"""Teachers: trained networks whose outputs another network learns from."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.engines import Engine, open_engine
from roadseg.runtime.errors import ModelError, UsageError
from roadseg.runtime.options import Size
from roadseg.runtime.shipped import resolve_model
from roadseg.runtime.spec import ClassInfo, ModelSpec
from roadseg.train.checkpoint import load_checkpoint
from roadseg.train.evaluation import normalize
from roadseg.train.networks import Network
from roadseg.train.networks.artifact_weights import load_artifact_weights


class Teacher(Protocol):
    """A trained network.

    spec: of the network.
    """

    spec: ModelSpec

    def logits(self, images: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 -> (N, classes, H / stride, W / stride) float32, without gradient."""


class NetworkTeacher:
    """A teacher that PyTorch runs, in float32: a checkpoint, or any network on a GPU."""

    def __init__(self, network: Network, spec: ModelSpec, device: torch.device) -> None:
        self.spec = spec
        network.eval().requires_grad_(False)
        self.network = network.to(device).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """See Teacher."""
        found: Tensor = self.network(normalize(images, self.spec))
        return found


class EngineTeacher:
    """A teacher that an engine runs on the CPU, which takes half of PyTorch's time.

    engines: of one artefact, each with one thread; the images of a batch are shared out to them.
    Threads within an engine would spin after each image and take the time of PyTorch's.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = engines
        self.spec = engines[0].spec

    def logits(self, images: Tensor) -> Tensor:
        """See Teacher."""
        pixels = images.numpy()
        found = np.empty((len(pixels), *self._shape()), np.float32)
        with ThreadPoolExecutor(len(self.engines), "teacher") as pool:
            jobs = [
                pool.submit(_infer, engine, pixels[place :: len(self.engines)])
                for place, engine in enumerate(self.engines)
            ]
            for place, job in enumerate(jobs):
                found[place :: len(self.engines)] = job.result()
        return torch.from_numpy(found)

    def _shape(self) -> tuple[int, int, int]:
        first, stride = self.engines[0], self.spec.stride
        return len(self.spec.classes), first.height // stride, first.width // stride


def _infer(engine: Engine, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    found = []
    for image in images:
        engine.input[:] = image
        found.append(engine.infer().copy())
    return found


def open_teachers(
    models: Sequence[str], classes: Sequence[ClassInfo], crop: Size, device: torch.device
) -> list[Teacher]:
    """Open checkpoints, artefacts or shipped networks, by name, for crops of one size.

    Raises ModelError for a missing or damaged file, or a crop that a network cannot take,
    UsageError for a network of other classes.
    """
    return [_open_teacher(model, classes, crop, device) for model in models]


def _open_teacher(
    model: str, classes: Sequence[ClassInfo], crop: Size, device: torch.device
) -> Teacher:
    try:
        teacher = _load_teacher(resolve_model(model), crop, device)
        teacher.spec.check_size(crop.width, crop.height)
    except ModelError as error:
        raise ModelError(f"teacher {model}: {error}") from None
    names = tuple(info.name for info in classes)
    if teacher.spec.class_names != names:
        raise UsageError(
            f"teacher {model} tells apart {', '.join(teacher.spec.class_names)}; the student "
            f"learns {', '.join(names)}: give a teacher of the same classes"
        )
    return teacher


def _load_teacher(path: Path, crop: Size, device: torch.device) -> Teacher:
    if path.suffix.lower() == ".pt":
        checkpoint = load_checkpoint(path)
        return NetworkTeacher(checkpoint.network, checkpoint.spec, device)
    if device.type == "cpu":
        count = torch.get_num_threads()
        return EngineTeacher([open_engine(path, size=crop, threads=1) for _ in range(count)])
    spec = read_artifact(path)[1]
    network, _ = load_artifact_weights(path, len(spec.classes))
    return NetworkTeacher(network, spec, device)
