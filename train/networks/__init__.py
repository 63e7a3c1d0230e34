"""Networks, built from a JSON-able config that travels in checkpoints and artefacts.

{"architecture": "mobileunet", "backbone": "efficientnet_lite0", "stride": 4, …}: the options of
the architecture's class and, where it has one, of Backbone, by their names, and "pruned", which
seg-train --prune leaves.
"""

from __future__ import annotations

import inspect
from typing import Any

from roadseg.runtime.errors import UsageError, unknown
from roadseg.train.networks.backbone import Backbone
from roadseg.train.networks.deeplabv3plus import DeepLabV3Plus
from roadseg.train.networks.deeplabv3plus_resnet import DeepLabV3PlusResNet
from roadseg.train.networks.fcn import FCN
from roadseg.train.networks.mobileunet import MobileUNet
from roadseg.train.networks.pruned import cut_to_shapes
from roadseg.train.networks.roadnet import RoadNet
from roadseg.train.networks.unet import UNet
from roadseg.train.networks.unetplusplus import UNetPlusPlus

__all__ = ["NETWORKS", "Network", "build_network", "complete_config"]

Network = MobileUNet | DeepLabV3Plus | RoadNet | UNet | UNetPlusPlus | FCN | DeepLabV3PlusResNet

NETWORKS: dict[str, type[Network]] = {
    "mobileunet": MobileUNet,
    "deeplabv3plus": DeepLabV3Plus,
    "roadnet": RoadNet,
    "unet": UNet,
    "unet++": UNetPlusPlus,
    "fcn": FCN,
    "deeplabv3plus_resnet101": DeepLabV3PlusResNet,
}

# What an architecture asks of its backbone, where that is not the backbone's own default.
DEFAULTS: dict[str, dict[str, Any]] = {
    "deeplabv3plus": {"stages": 4},  # it leaves stride 32 out
    "fcn": {"backbone": "resnet50", "output_stride": 8},
    "deeplabv3plus_resnet101": {"backbone": "resnet101", "output_stride": 16},
}


def has_backbone(kind: type) -> bool:
    """Return whether an architecture's class stands over a Backbone."""
    return "backbone" in inspect.signature(kind).parameters


def _options(kind: type) -> dict[str, Any]:
    """Return the options of a class and their defaults, as JSON has them."""
    parameters = inspect.signature(kind).parameters.values()
    return {
        p.name: list(p.default) if isinstance(p.default, tuple) else p.default
        for p in parameters
        if p.default is not inspect.Parameter.empty
    }


def complete_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config with every default written out, so that it stays true when they change.

    Raises UsageError for an unknown architecture or option.
    """
    architecture = str(config.get("architecture", "mobileunet"))
    if architecture not in NETWORKS:
        raise unknown("network", architecture, NETWORKS)
    kind = NETWORKS[architecture]
    defaults: dict[str, Any] = {"architecture": architecture}
    if has_backbone(kind):
        defaults |= {"backbone": "efficientnet_lite0"} | _options(Backbone)
    defaults |= _options(kind) | DEFAULTS.get(architecture, {})
    for name in config:
        if name not in defaults and name != "pruned":
            raise unknown("network option", name, defaults)
    return defaults | config


def build_network(config: dict[str, Any], classes: int) -> Network:
    """Build a network with random weights; it has `.stride`, `.multiple` and `.head`.

    Raises UsageError for an unknown architecture, backbone or option, or a value that does not fit.
    """
    full = complete_config(config)
    kind: Any = NETWORKS[full["architecture"]]
    try:
        parts: list[Any] = [classes]
        if has_backbone(kind):
            chosen = {name: full[name] for name in _options(Backbone)}
            parts.insert(0, Backbone(full["backbone"], **chosen))
        network: Network = kind(*parts, **{name: full[name] for name in _options(kind)})
        cut_to_shapes(network, full.get("pruned", {}))
        return network
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"network options {config} cannot be used ({error})") from None
