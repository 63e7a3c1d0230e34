"""DeepLabV3+ as published: the decoder of segmentation_models_pytorch over a dilated ResNet."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from roadseg.runtime.errors import MissingExtra, UsageError
from roadseg.train.networks.backbone import Backbone


class DeepLabV3PlusResNet(nn.Module):
    """DeepLabV3+ (Chen et al., 2018) over a backbone with dilated last stages.

    width: of the ASPP and the decoder.
    rates: atrous rates of the ASPP's 3x3 branches: the paper's for features of stride 16.
    Raises MissingExtra without segmentation_models_pytorch.
    """

    def __init__(
        self, backbone: Backbone, classes: int, width: int = 256, rates: Sequence[int] = (6, 12, 18)
    ) -> None:
        super().__init__()
        try:
            from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder
        except ModuleNotFoundError:
            purpose = "deeplabv3plus_resnet101"
            raise MissingExtra("segmentation_models_pytorch", "networks", purpose) from None
        self.backbone = backbone
        self.multiple = backbone.strides[-1]
        self.stride = backbone.strides[1]
        steps = self.multiple // self.stride
        if steps not in (2, 4):
            raise UsageError("its backbone needs an output_stride of 8 or 16")
        self.decoder = DeepLabV3PlusDecoder(
            encoder_channels=(3, *backbone.channels),
            encoder_depth=len(backbone.channels),
            out_channels=width,
            atrous_rates=rates,
            output_stride=4 * steps,
            aspp_separable=True,
            aspp_dropout=0.5,
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), normalised -> logits (N, classes, H / stride, W / stride)."""
        logits: Tensor = self.head(self.decoder([image, *self.backbone(image)]))
        return logits
