from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).parent))
from loss_examples import ALONE, CLASSES, DEFAULT, EITHER, GROUPS, example

from roadseg.train.loss_terms import LOSSES, WEIGHED, parse_loss
from roadseg.train.losses import (
    TERMS,
    SegmentationLoss,
    balanced_weights,
    class_shares,
    sqrt_weights,
)

# The boundary loss is not one of pixels.
OF_PIXELS = [name for name in LOSSES if name != "boundary"]


def repeated(logits: Tensor, stride: int) -> Tensor:
    return logits.repeat_interleave(stride, 2).repeat_interleave(stride, 3)


def reference(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss of segmentation_models_pytorch on the pixels that are not void."""
    smp = pytest.importorskip("segmentation_models_pytorch")
    from segmentation_models_pytorch.losses import _functional

    def of_pixels(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        def of_kept(logits: Tensor, labels: Tensor) -> Tensor:
            kept = labels != 255
            return loss(logits.movedim(1, 3)[kept], labels[kept].long())

        return of_kept

    def bce(logits: Tensor, labels: Tensor) -> Tensor:
        one_hot = torch.eye(CLASSES)[labels]
        return torch.as_tensor(smp.losses.SoftBCEWithLogitsLoss(ignore_index=None)(logits, one_hot))

    return {
        "bce": of_pixels(bce),
        "focal": of_pixels(_functional.softmax_focal_loss_with_logits),
        "dice": smp.losses.DiceLoss("multiclass", ignore_index=255),
        "lovasz": smp.losses.LovaszLoss("multiclass", ignore_index=255),
    }[name]


@pytest.mark.parametrize("name", ["bce", "dice", "focal", "lovasz"])
def test_it_is_what_the_reference_library_has(name: str) -> None:
    """Loss and gradient at the size of the labels, void in both."""
    logits, labels = example(1)
    labels[1, 3, 5] = 255
    pairs = []
    for loss in (SegmentationLoss(CLASSES, 1, name), reference(name)):
        value = loss(logits, labels.long() if name == "dice" else labels).squeeze()
        (gradient,) = torch.autograd.grad(value, logits)
        pairs.append((value.detach(), gradient))
    # Lovász puts errors in order by 1024 levels; pixels of one level may change places.
    near = {"rtol": 1e-3, "atol": 1e-3} if name == "lovasz" else {}
    torch.testing.assert_close(*pairs_of(pairs, 0), **near)
    torch.testing.assert_close(*pairs_of(pairs, 1), **near)


def pairs_of(pairs: list[tuple[Tensor, Tensor]], part: int) -> tuple[Tensor, Tensor]:
    return pairs[0][part], pairs[1][part]


@pytest.mark.parametrize("name", OF_PIXELS)
@pytest.mark.parametrize("stride", [2, 4])
def test_the_loss_of_cells_is_that_of_all_pixels(name: str, stride: int) -> None:
    """Logits repeated to the labels' size give the same, groups and void among the labels."""
    logits, labels = example(stride)
    labels[1, 3, 5] = 255
    labels[0, 5:9, 2:] = EITHER
    cells = SegmentationLoss(CLASSES, stride, name, groups=GROUPS)(logits, labels)
    pixels = SegmentationLoss(CLASSES, 1, name, groups=GROUPS)(repeated(logits, stride), labels)
    torch.testing.assert_close(cells, pixels, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 4, 16])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 1.8])])
def test_cross_entropy_is_that_of_all_pixels(stride: int, weights: Tensor | None) -> None:
    logits, labels = example(stride)
    labels[1, 3, 5] = 255
    found = SegmentationLoss(CLASSES, stride, "cross-entropy", weights)(logits, labels)
    plain = cross_entropy(repeated(logits, stride), labels.long(), weights, ignore_index=255)
    torch.testing.assert_close(found, plain)


@pytest.mark.parametrize("name", WEIGHED)
def test_class_weights_weigh_the_losses_of_pixels(name: str) -> None:
    logits, labels = example(1)
    weights = torch.tensor([0.0, 1.0, 0.0])
    only = SegmentationLoss(CLASSES, 1, name, weights)(logits, labels)
    kept = torch.where(labels == 1, labels, torch.full_like(labels, 255))
    if name != "ohem":  # which pixels are hard is asked before they are weighed
        torch.testing.assert_close(only, SegmentationLoss(CLASSES, 1, name)(logits, kept))
    assert float(only.detach()) != pytest.approx(
        float(SegmentationLoss(CLASSES, 1, name)(logits, labels).detach())
    )


def test_dice_is_the_plain_formula_over_classes_that_occur() -> None:
    logits, labels = example(1)
    labels[labels == 1] = 0
    share = logits.detach().softmax(1).numpy().astype(np.float64)
    seen = labels.numpy() != 255
    terms = []
    for index in (0, 2):
        truth = labels.numpy() == index
        guess = share[:, index]
        total = guess[seen].sum() + truth.sum()
        terms.append(1 - 2 * guess[truth].sum() / total)
    alone = SegmentationLoss(CLASSES, 1, "cross-entropy")(logits, labels)
    both = SegmentationLoss(CLASSES, 1, "cross-entropy+2*dice")(logits, labels)
    assert float((both - alone).detach()) == pytest.approx(2 * np.mean(terms), rel=1e-5)


def test_lovasz_of_whole_decisions_is_one_less_their_iou() -> None:
    _, labels = example(1)
    guess = labels.clone()
    guess[labels == 255] = 0
    guess[0, 3:] = 1
    logits = 99 * torch.eye(CLASSES)[guess.long()].movedim(3, 1)
    seen = labels != 255
    ious = []
    for index in range(CLASSES):
        truth, found = (labels == index) & seen, (guess == index) & seen
        ious.append(float((truth & found).sum() / (truth | found).sum()))
    loss = SegmentationLoss(CLASSES, 1, "lovasz")(logits, labels)
    assert float(loss) == pytest.approx(1 - np.mean(ious), abs=1e-5)


def test_ohem_keeps_the_hard_pixels_and_at_least_a_sixteenth() -> None:
    labels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    logits = torch.zeros(1, 2, 8, 8)
    logits[0, 0] = 5.0
    logits[0, 0, 0, :6] = torch.tensor([4.0, 3.0, 2.0, 1.5, -1.0, 0.5])
    entropy = cross_entropy(logits, labels.long(), reduction="none").flatten()
    loss = SegmentationLoss(2, 1, "ohem")
    hardest = entropy.sort(descending=True).values[:4].mean()  # 64 / 16, two of them below 0.7
    torch.testing.assert_close(loss(logits, labels), hardest)
    logits[0, 0, 1] = 0.1
    entropy = cross_entropy(logits, labels.long(), reduction="none").flatten()
    torch.testing.assert_close(loss(logits, labels), entropy[(-entropy).exp() < 0.7].mean())


def thin(place: int) -> Tensor:
    labels = torch.zeros(1, 9, 12, dtype=torch.uint8)
    labels[:, :, place] = 1
    return labels


def decided(labels: Tensor) -> Tensor:
    return 99 * torch.eye(2)[labels.long()].movedim(3, 1)


@pytest.mark.parametrize(("place", "expected"), [(5, 0.0), (6, 0.0), (4, 0.0), (9, 1.0)])
def test_boundary_forgives_one_cell_and_no_more(place: int, expected: float) -> None:
    found = SegmentationLoss(2, 1, "boundary+1e-9*dice")(decided(thin(place)), thin(5))
    assert float(found) == pytest.approx(expected, abs=0.05)


def test_boundary_is_right_for_shares_of_cells() -> None:
    """A pole that is half a cell wide: the best that a network can say has no loss."""
    labels = torch.zeros(1, 16, 24, dtype=torch.uint8)
    labels[:, :, 8:10] = 1
    logits = decided(torch.zeros(1, 4, 6, dtype=torch.uint8))
    logits[:, :, :, 2] = 0.0
    loss = SegmentationLoss(2, 4, "boundary+1e-9*dice")
    assert float(loss(logits, labels)) < 1e-4
    logits[:, 0, :, 2] = 99.0
    assert float(loss(logits, labels)) > 0.9


@pytest.mark.parametrize("name", ALONE)
def test_perfect_logits_have_no_loss(name: str) -> None:
    _, labels = example(2)
    shares = class_shares(labels[:, ::2, ::2], CLASSES, 1)
    whole = labels[:, ::2, ::2].repeat_interleave(2, 1).repeat_interleave(2, 2)
    logits = 100 * shares - 50
    assert float(SegmentationLoss(CLASSES, 2, name)(logits, whole)) < 1e-4


@pytest.mark.parametrize("name", [*ALONE, DEFAULT])
def test_a_small_network_learns_by_it(name: str) -> None:
    """A class is a colour: 1x1 convolutions over noisy colours, as in the other tests' data."""
    torch.manual_seed(3)
    colours = torch.tensor([[0.2, 0.2, 0.8], [0.2, 0.8, 0.2], [0.8, 0.2, 0.2]])
    labels = torch.randint(0, CLASSES, (2, 6, 8)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    image = colours[labels].movedim(3, 1) + 0.05 * torch.randn(2, 3, 48, 64)
    labels[:, :4] = 255
    network = nn.Sequential(
        nn.AvgPool2d(4), nn.Conv2d(3, 16, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 3, 1)
    )
    loss = SegmentationLoss(CLASSES, 4, name)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(network(image), labels.to(torch.uint8))
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    assert losses[-1] < 0.35 * losses[0]
    if "boundary" not in name:  # outlines are right when all classes have changed places, too
        right = network(image).argmax(1) == labels[:, 2::4, 2::4]
        assert right[:, 1:].float().mean() > 0.95


def test_balanced_weights_follow_enet() -> None:
    shares = torch.tensor([0.9, 0.09, 0.01])
    weights = balanced_weights(shares)
    plain = [1 / np.log(1.02 + share) for share in (0.9, 0.09, 0.01)]
    np.testing.assert_allclose(weights.numpy(), np.array(plain) / np.mean(plain), rtol=1e-5)


def test_sqrt_weights_are_milder_than_enets() -> None:
    shares = torch.tensor([0.81, 0.18, 0.01])
    weights = sqrt_weights(shares)
    torch.testing.assert_close(weights.mean(), torch.tensor(1.0))
    torch.testing.assert_close(weights[2] / weights[0], torch.tensor(9.0))


def test_a_sum_of_losses_is_the_sum() -> None:
    logits, labels = example(2)
    parts = {name: SegmentationLoss(CLASSES, 2, name)(logits, labels) for name in ("focal", "dice")}
    both = SegmentationLoss(CLASSES, 2, "0.25*focal + 2*dice")(logits, labels)
    torch.testing.assert_close(both, 0.25 * parts["focal"] + 2 * parts["dice"])


def test_every_loss_has_its_name() -> None:
    assert tuple(sorted(TERMS)) == LOSSES
    assert parse_loss("cross-entropy+.5*dice") == {"cross-entropy": 1.0, "dice": 0.5}
