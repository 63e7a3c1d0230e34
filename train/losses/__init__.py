"""Losses at the logits' own stride: void is left out, groups of classes are not punished."""

from roadseg.train.losses.cells import Cells, class_shares
from roadseg.train.losses.class_weights import balanced_weights, sqrt_weights
from roadseg.train.losses.deep_supervision import DeepSupervision
from roadseg.train.losses.segmentation_loss import TERMS, SegmentationLoss

__all__ = [
    "TERMS",
    "Cells",
    "DeepSupervision",
    "SegmentationLoss",
    "balanced_weights",
    "class_shares",
    "sqrt_weights",
]
