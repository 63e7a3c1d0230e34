"""FCN: torchvision's head over a dilated backbone."""

from __future__ import annotations

from torch import Tensor, nn

from roadseg.train.networks.backbone import Backbone


class FCN(nn.Module):
    """FCN (Long et al., 2015) in torchvision's form: dilation in place of the coarse strides.

    A 3x3 convolution over the backbone's last feature, and one for the classes.
    """

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        from torchvision.models.segmentation.fcn import FCNHead

        self.backbone = backbone
        self.stride = self.multiple = backbone.strides[-1]
        *decoder, self.head = FCNHead(backbone.channels[-1], classes)
        self.decoder = nn.Sequential(*decoder)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), normalised -> logits (N, classes, H / stride, W / stride)."""
        logits: Tensor = self.head(self.decoder(self.backbone(image)[-1]))
        return logits
