"""A trained network to go on with: pruned, or rounding as the INT8 artefact will."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from roadseg.runtime.errors import UsageError
from roadseg.runtime.spec import ClassInfo
from roadseg.train.checkpoint import LAST, load_checkpoint
from roadseg.train.networks.pruned import count_parameters
from roadseg.train.networks.reparameterized import merge_branches
from roadseg.train.options import TrainOptions
from roadseg.train.prune import prune_network
from roadseg.train.qat import METHOD, fake_quantize, without_fake_quantization
from roadseg.train.start import Start, start_network, starting_artifact


def refined_network(options: TrainOptions, classes: Sequence[ClassInfo]) -> Start:
    """Take the network of --weights, prune it or let it round; of a resumed run its own.

    Raises UsageError when a checkpoint has other classes than the data.
    """
    if options.resume:
        return _from_checkpoint(options.out / LAST, classes)
    if starting_artifact(options.weights):
        start = start_network(options, len(classes))
    else:
        start = _from_checkpoint(Path(options.weights), classes)
    return _pruned(start, options.prune) if options.prune else _rounding(start)


def _from_checkpoint(path: Path, classes: Sequence[ClassInfo]) -> Start:
    loaded = load_checkpoint(path)
    if [info.name for info in loaded.spec.classes] != [info.name for info in classes]:
        raise UsageError(f"{path} has other classes than the data: {loaded.spec.class_names}")
    config = merge_branches(loaded.network, loaded.spec.network)
    loaded.network.requires_grad_(True)
    return Start(loaded.network, config, path.name, quantization=loaded.spec.quantization)


def _pruned(start: Start, share: float) -> Start:
    network = without_fake_quantization(start.network)
    before = count_parameters(network)
    config = prune_network(network, share, start.config)
    told = f"{before / 1e6:.2f} → {count_parameters(network) / 1e6:.2f} million weights"
    return Start(network, config, f"{start.origin}, pruned: {told}", start.is_folded)


def _rounding(start: Start) -> Start:
    """Let convolutions round. Norms of an artefact stay what they are: nothing would use more."""
    if start.quantization.get("method") != METHOD:
        fake_quantize(start.network)
    return dataclasses.replace(
        start,
        origin=f"{start.origin}, rounded to INT8 in training",
        is_folded=False,
        quantization={"method": METHOD},
    )
