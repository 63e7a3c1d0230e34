"""Where training starts: the network, and its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.errors import UsageError
from roadseg.runtime.shipped import resolve_model, shipped_models
from roadseg.train.networks import Network, build_network, complete_config
from roadseg.train.networks.artifact_weights import load_artifact_weights
from roadseg.train.networks.weights import load_weights
from roadseg.train.options import TrainOptions


@dataclass(frozen=True)
class Start:
    """A network with its starting weights.

    config: that builds it again, all defaults written out.
    origin: of the weights, to be told; "" for a run that goes on.
    is_folded: whether its norms still have to be measured: it came from an artefact.
    learned: what the artefact's network was trained on; None for other weights, and when it
        gets a new head.
    quantization: for its ModelSpec: {"method": "qat"} when its convolutions round.
    """

    network: Network
    config: dict[str, Any]
    origin: str
    is_folded: bool = False
    learned: dict[str, Any] | None = None
    quantization: dict[str, Any] = field(default_factory=dict)


def start_network(options: TrainOptions, classes: int) -> Start:
    """Build the network that the options ask for and load its starting weights."""
    artifact = starting_artifact(options.weights)
    if artifact is None:
        config = network_config(options)
        network = build_network(config, classes)
        origin = "" if options.resume else load_weights(network, options.weights)
        return Start(network, config, origin)
    if options.network_options:
        raise UsageError(f"{options.weights} brings its own network: leave --network-options out")
    network, config = load_artifact_weights(artifact, classes, load=not options.resume)
    if options.resume:
        return Start(network, config, "")
    spec = read_artifact(artifact)[1]
    learned = spec.trained_on if len(spec.classes) == classes else None
    return Start(network, config, artifact.name, is_folded=True, learned=learned)


def starting_artifact(weights: str) -> Path | None:
    """Return the file of an artefact or of a shipped network's name, None for other weights."""
    is_artifact = weights in shipped_models() or weights.lower().endswith(".onnx")
    return resolve_model(weights) if is_artifact else None


def network_config(options: TrainOptions) -> dict[str, Any]:
    """Return the network's config with all defaults written out."""
    backbone = {"backbone": options.backbone} if options.backbone else {}
    chosen = chosen_options(options)
    return complete_config({"architecture": options.network, **backbone, **chosen})


def chosen_options(options: TrainOptions) -> dict[str, Any]:
    """Return the network options that were given, as JSON or as a file of it."""
    text = options.network_options.strip()
    if text and not text.startswith("{"):
        try:
            text = Path(text).read_text()
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"network_options is neither JSON nor a file: {text}") from None
    try:
        chosen: Any = json.loads(text) if text else {}
    except ValueError as error:
        raise UsageError(f"network_options is not JSON ({error})") from None
    if not isinstance(chosen, dict):
        raise UsageError(f"network_options is {text.strip()}: give names and values, as {{…}}")
    return chosen
