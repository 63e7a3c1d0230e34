"""Checkpoints: tensors and plain containers only, so that loading one never runs its code."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from roadseg.runtime.errors import ModelError
from roadseg.runtime.files import atomic_path
from roadseg.runtime.spec import ModelSpec
from roadseg.train.networks import Network, build_network
from roadseg.train.qat import METHOD, fake_quantize

FORMAT = "roadseg checkpoint"
DENOISING = "roadseg denoising"  # of --pretrain denoise: to resume from alone
SCHEMA = 1
LAST, BEST = "last.pt", "best.pt"  # in a run's folder: to resume from, to use
START = "start.pt"  # the artefact's network that a run began with, to average with
DENOISED = "denoised.pt"  # what --pretrain denoise leaves for --weights
OTHER_KIND = {
    FORMAT: f"is a run of --pretrain denoise: resume it with that, or use its {DENOISED} "
    "as --weights",
    DENOISING: "is not a run of --pretrain denoise: give another --out",
}
AUXILIARY = "auxiliary"  # a network's heads that deep supervision adds: for resuming alone


@dataclass(frozen=True)
class Checkpoint:
    """A trained network.

    network: in evaluation mode on the CPU, with the averaged weights; of a run with --qat its
        convolutions round.
    spec: what it is; `spec.network` builds it again.
    history: a row of metrics for each epoch.
    options: of the run, as text.
    """

    network: Network
    spec: ModelSpec
    history: list[dict[str, Any]]
    options: dict[str, str]


def save(path: Path, spec: ModelSpec, content: dict[str, Any], kind: str = FORMAT) -> None:
    """Write a checkpoint atomically; `content` holds tensors and plain containers."""
    whole = {"format": kind, "schema": SCHEMA, "spec": spec.to_json(), **content}
    with atomic_path(path) as part:
        torch.save(whole, part)


def read(path: Path, kind: str = FORMAT) -> dict[str, Any]:
    """Read a checkpoint's content; raises ModelError for what is corrupt, foreign or another kind.

    kind: FORMAT or DENOISING.
    """
    if not path.is_file():
        raise ModelError(f"there is no checkpoint {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about a foreign file is told below
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except (
        OSError,  # of a file that is cut short
        RuntimeError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
        IndexError,
    ):
        raise ModelError(f"{path} is not a checkpoint of seg-train, or is damaged") from None
    if not isinstance(content, dict) or content.get("format") not in OTHER_KIND:
        raise ModelError(f"{path} is not a checkpoint of seg-train")
    if content["format"] != kind:
        raise ModelError(f"{path} {OTHER_KIND[kind]}")
    if content["schema"] > SCHEMA:
        raise ModelError(f"{path} is of a newer roadseg: pip install -U roadseg")
    return content


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Load a trained network with what it needs to be used rightly.

    Raises ModelError for a file that is missing, damaged, not of seg-train, or whose weights do
    not fit its network.
    """
    path = Path(path)
    content = read(path)
    spec = ModelSpec.from_json(content["spec"], str(path))
    try:
        network = build_network(spec.network, len(spec.classes))
        if spec.quantization.get("method") == METHOD:
            fake_quantize(network)
        average = content["average"].items()
        own = {name: value for name, value in average if not name.startswith(f"{AUXILIARY}.")}
        network.load_state_dict(own)
    except (RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ModelError(f"{path}: its weights do not fit its network ({reason})") from None
    network.eval().requires_grad_(False)
    return Checkpoint(network, spec, content.get("history", []), content.get("options", {}))
