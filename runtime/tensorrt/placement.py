"""Which layers run on the DLA and which on the GPU; TensorRT falls back without a word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MARKS = {"[DlaLayer]": "dla", "[GpuLayer]": "gpu"}  # as TensorRT's build log has them


@dataclass(frozen=True)
class Placement:
    """Names of layers by what runs them.

    is_built: these are the built plan's, in which layers are fused; otherwise the network's.
    """

    dla: tuple[str, ...] = ()
    gpu: tuple[str, ...] = ()
    is_built: bool = False

    def __str__(self) -> str:
        kind = "built layers" if self.is_built else "layers of the network"
        total = len(self.dla) + len(self.gpu)
        told = f"{len(self.dla)} of {total} {kind} on the DLA"
        if self.gpu:
            more = ", …" if len(self.gpu) > 3 else ""
            told += f", on the GPU {', '.join(self.gpu[:3])}{more}"
        return told

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"dla": list(self.dla), "gpu": list(self.gpu), "is_built": self.is_built}


def possible_placement(network: Any, config: Any) -> Placement:
    """Return where TensorRT says that each layer of the network can run."""
    places: dict[bool, list[str]] = {True: [], False: []}
    for number in range(network.num_layers):
        layer = network.get_layer(number)
        places[bool(config.can_run_on_DLA(layer))].append(str(layer.name))
    return Placement(tuple(places[True]), tuple(places[False]))


def built_placement(messages: Iterable[str], possible: Placement) -> Placement:
    """Return where the build put its layers, as its log tells; `possible` when it does not."""
    places: dict[str, list[str]] = {"dla": [], "gpu": []}
    for message in messages:
        for mark, place in MARKS.items():
            if mark in message:
                places[place].append(message.partition(mark)[2].strip())
    if not any(places.values()):
        return possible
    return Placement(tuple(places["dla"]), tuple(places["gpu"]), is_built=True)
