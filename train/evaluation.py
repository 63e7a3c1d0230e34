"""Validation, as the runtime infers: stretch to the input size, logits back to the mask's size."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from roadseg.data.confusion import ConfusionMatrix
from roadseg.runtime.spec import ModelSpec
from roadseg.train.distributed import rank, whole_sum, world_size
from roadseg.train.labels import LabelledImages
from roadseg.train.networks import Network

Pixels = NDArray[np.uint8]


def normalize(images: Tensor, spec: ModelSpec) -> Tensor:
    """(N, H, W, 3) uint8 RGB -> (N, 3, H, W) float32, channels last in memory."""
    return images.permute(0, 3, 1, 2).float().sub_(spec.mean).div_(spec.scale)


def network_input(network: Network, spec: ModelSpec, image: Pixels) -> Tensor:
    """Return an image (H, W, 3) RGB as a network takes it, (1, 3, height, width), where it is."""
    if image.shape[:2] != (spec.height, spec.width):
        size = spec.width, spec.height
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    device = next(network.parameters()).device
    return normalize(torch.from_numpy(image)[None].to(device), spec)


@torch.no_grad()
def full_logits(network: Network, spec: ModelSpec, image: Pixels) -> Tensor:
    """Return what an evaluating network says of an image (H, W, 3) RGB, (classes, H, W)."""
    logits = network(network_input(network, spec, image))
    return interpolate(logits, image.shape[:2], mode="bilinear", align_corners=False)[0]


def predict(network: Network, spec: ModelSpec, image: Pixels) -> Pixels:
    """Return the mask (H, W) that an evaluating network gives for an image (H, W, 3) RGB."""
    mask: Pixels = full_logits(network, spec, image).argmax(0).to(torch.uint8).cpu().numpy()
    return mask


def evaluate_each(
    network: Network, spec: ModelSpec, images: Sequence[tuple[Pixels, Pixels]]
) -> list[ConfusionMatrix]:
    """Return the confusion matrix of each image and its mask, at the mask's own size.

    Of several processes each takes its share of the images, and all get every matrix.
    """
    network.eval()
    found = [ConfusionMatrix(len(spec.classes)) for _ in range(len(images))]
    for index in range(rank(), len(images), world_size()):
        image, mask = images[index]
        found[index].update(mask, predict(network, spec, image))
    counts = whole_sum(torch.from_numpy(np.stack([matrix.counts for matrix in found])))
    for matrix, count in zip(found, counts.numpy(), strict=True):
        matrix.counts = count
    return found


def label_iou(
    network: Network, spec: ModelSpec, images: LabelledImages
) -> tuple[float, dict[str, float]]:
    """Return mIoU and IoU by label, 0 to 1, in what a data set's own masks tell apart.

    Of classes that the data set does not tell apart, one is as right as the other.
    """
    network.eval()
    names = images.classes.label_names()
    to_label = images.classes.label_of_class()
    matrix = ConfusionMatrix(len(names) + 1)
    for index in range(rank(), len(images), world_size()):
        image, mask = images[index]
        matrix.update(mask, to_label[predict(network, spec, image)])
    matrix.counts = whole_sum(torch.from_numpy(matrix.counts)).numpy()
    known = images.classes.known
    iou = {names[label]: float(matrix.iou[label]) for label in known}
    return float(np.nanmean(matrix.iou[known])), iou


def total(matrices: Sequence[ConfusionMatrix], classes: int) -> ConfusionMatrix:
    """Return the sum of confusion matrices."""
    whole = ConfusionMatrix(classes)
    for matrix in matrices:
        whole.counts += matrix.counts
    return whole
