"""What each layer loses when it alone is quantised."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from roadseg.calibration import conv_names
from roadseg.export.quantizer import ENGINE, Quantizer
from roadseg.export.scores import Score, score

PROBES = 4  # frames that layers are measured on
AT_ONCE = 8  # layers that run beside the float network
SHOWN = 10  # layers in the table

Tell = Callable[[str], None]


@dataclass(frozen=True)
class LayerLoss:
    """What a layer alone in INT8 costs.

    layer: the convolution's output tensor.
    snr_db: signal to noise at the logits.
    agreement: percent of pixels that keep their class.
    drop: points of mIoU lost, None without labels.
    """

    layer: str
    snr_db: float
    agreement: float
    drop: float | None

    @property
    def name(self) -> str:
        """The layer's name for reading."""
        return self.layer.removeprefix("/network/").removesuffix("_output_0").removesuffix("/Conv")


def measure_layers(quantizer: Quantizer, progress: Tell) -> list[LayerLoss]:
    """Quantise one convolution at a time; return all, the one that loses most first.

    Ranked by signal to noise, as TensorRT's and AIMET's tools do: it tells layers apart on a few
    frames, where mIoU does not yet.
    """
    layers = conv_names(quantizer.model)
    losses: list[LayerLoss] = []
    for start in range(0, len(layers), AT_ONCE):
        losses += _measure_some(quantizer, layers, layers[start : start + AT_ONCE])
        progress(f"sensitivity of layer {len(losses)}/{len(layers)}")
    return sorted(losses, key=lambda loss: loss.snr_db)


def _measure_some(
    quantizer: Quantizer, layers: Sequence[str], some: Sequence[str]
) -> list[LayerLoss]:
    paths = {"": quantizer.path}
    for number, layer in enumerate(some):
        others = [each for each in layers if each != layer]
        paths[layer] = quantizer.write(f".probe{number}", others)
    found = score(paths, quantizer.frames[:PROBES], quantizer.size, ENGINE)
    whole = found.pop("")
    return [_loss(layer, whole, each) for layer, each in found.items()]


def _loss(layer: str, whole: Score, alone: Score) -> LayerLoss:
    both = whole.miou is not None and alone.miou is not None
    drop = (whole.miou or 0.0) - (alone.miou or 0.0) if both else None
    return LayerLoss(layer, alone.snr_db, alone.agreement, drop)


def layers_table(losses: Sequence[LayerLoss]) -> str:
    """Return the layers that lose most as text."""
    width = max(len(loss.name) for loss in losses[:SHOWN])
    lines = [f"{'layer alone in INT8':{max(width, 19)}}  SNR dB  same pixels  mIoU lost"]
    for loss in itertools.islice(losses, SHOWN):
        drop = f"{loss.drop:9.2f}" if loss.drop is not None else ""
        line = f"{loss.name:{max(width, 19)}}  {loss.snr_db:6.1f}  {loss.agreement:9.2f} %  {drop}"
        lines.append(line.rstrip())
    if len(losses) > SHOWN:
        lines.append(f"… and {len(losses) - SHOWN} that lose less")
    return "\n".join(lines)
