"""U-Net++: the decoder of segmentation_models_pytorch over a timm backbone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from roadseg.runtime.errors import MissingExtra
from roadseg.train.networks.backbone import Backbone


class UNetPlusPlus(nn.Module):
    """U-Net++ (Zhou et al., 2018): nested skips of dense blocks, up to the input's resolution.

    widths: of the decoder's steps, deepest first, one for each stage of the backbone.
    Raises MissingExtra without segmentation_models_pytorch.
    """

    def __init__(
        self, backbone: Backbone, classes: int, widths: Sequence[int] = (256, 128, 64, 32, 16)
    ) -> None:
        super().__init__()
        try:
            from segmentation_models_pytorch.decoders.unetplusplus.decoder import (
                UnetPlusPlusDecoder,
            )
        except ModuleNotFoundError:
            raise MissingExtra("segmentation_models_pytorch", "networks", "unet++") from None
        self.backbone = backbone
        self.stride = backbone.strides[0] // 2
        self.multiple = backbone.strides[-1]
        # The library counts the picture as the first feature; it uses its place alone.
        self.decoder = UnetPlusPlusDecoder((3, *backbone.channels), widths, len(backbone.channels))
        self.head = nn.Conv2d(widths[-1], classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), normalised -> logits (N, classes, H / stride, W / stride)."""
        logits: Tensor = self.head(self.decoder([image, *self.backbone(image)]))
        return logits
